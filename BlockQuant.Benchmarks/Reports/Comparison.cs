namespace BlockQuant.Benchmarks.Reports;

/// <summary>How many times as fast as a peer, after idle and back to back.</summary>
internal readonly record struct Speedup(double Spaced, double Sustained)
{
    public override string ToString() => FormattableString.Invariant($"{Spaced:F2} / {Sustained:F2}");
}

/// <summary>Times of several shapes beside a peer's: the geometric mean, and the lowest of any shape.</summary>
internal sealed record Comparison(Speedup Mean, Speedup Lowest, int Shapes)
{
    /// <summary>Compares rows with those of a peer that computed the same; null where there is none.</summary>
    public static Comparison? Of(IEnumerable<ResultRow> rows, IReadOnlyCollection<ResultRow> peer)
    {
        Speedup[] shapes = rows
            .SelectMany(row => peer.Where(row.IsComparedWith), (row, other) => new Speedup(other.SpacedUs / row.SpacedUs, other.SustainedUs / row.SustainedUs))
            .ToArray();
        return shapes.Length == 0
            ? null
            : new Comparison(
                new Speedup(GeometricMean(shapes.Select(shape => shape.Spaced)), GeometricMean(shapes.Select(shape => shape.Sustained))),
                new Speedup(shapes.Min(shape => shape.Spaced), shapes.Min(shape => shape.Sustained)),
                shapes.Length);
    }

    private static double GeometricMean(IEnumerable<double> ratios) => Math.Exp(ratios.Average(Math.Log));
}
