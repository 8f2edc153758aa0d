namespace BlockQuant.Benchmarks.Reports;

/// <summary>One axis of a chart: where a value lies between its ends, 0 to 1, and which values are marked.</summary>
internal sealed record SvgAxis(string Title, double From, double To, bool IsLogarithmic, IReadOnlyList<(double Value, string Label)> Ticks)
{
    /// <summary>A logarithmic axis over whole powers of ten that hold all values.</summary>
    public static SvgAxis PowersOfTen(string title, IEnumerable<double> values)
    {
        double[] all = values.ToArray();
        int from = (int)Math.Floor(Math.Log10(all.Min()));
        int to = (int)Math.Ceiling(Math.Log10(all.Max()));
        var ticks = Enumerable.Range(from, to - from + 1).Select(power => (Math.Pow(10, power), Math.Pow(10, power).ToString("R", null)));
        return new SvgAxis(title, Math.Pow(10, from), Math.Pow(10, to), true, ticks.ToArray());
    }

    /// <summary>An axis of names, the first at 0, the next at 1.</summary>
    public static SvgAxis Names(string title, IReadOnlyList<string> names)
        => new(title, -0.25, names.Count - 0.75, false, names.Select((name, index) => ((double)index, name)).ToArray());

    public double Place(double value) => IsLogarithmic ? Math.Log(value / From) / Math.Log(To / From) : (value - From) / (To - From);
}
