namespace BlockQuant.Benchmarks.Reports;

/// <summary>Speed over arithmetic intensity, below what the device's arithmetic and memory allow.</summary>
internal static class RooflinePlot
{
    public static string Of(IReadOnlyList<ResultRow> own, IReadOnlyList<ResultRow> peers, DevicePeaks peaks)
    {
        ResultRow[] drawn = own.Concat(peers).Where(row => row is { Operations: > 0, Bytes: > 0 }).ToArray();
        var x = SvgAxis.PowersOfTen("operations a byte", drawn.Select(Intensity));
        var y = SvgAxis.PowersOfTen("TFLOP/s", drawn.Select(Teraflops).Append(peaks.TeraflopsPerSecond));
        var chart = new SvgChart(x, y);
        double ridge = peaks.TeraflopsPerSecond / peaks.TerabytesPerSecond;
        // The roof begins where it enters the chart.
        double start = Math.Max(x.From, y.From / peaks.TerabytesPerSecond);
        chart.Line("roof", [(start, start * peaks.TerabytesPerSecond), (ridge, peaks.TeraflopsPerSecond), (x.To, peaks.TeraflopsPerSecond)], dashed: true);
        foreach (var suite in drawn.GroupBy(row => (row.Peer, row.Suite)).OrderBy(group => group.Key.Peer is not null))
        {
            string name = suite.Key.Peer is { } peer ? $"{peer}, {suite.Key.Suite}" : $"BlockQuant, {suite.Key.Suite}";
            chart.Points(name, suite.Select(row => (Intensity(row), Teraflops(row), Title(row))), hollow: suite.Key.Peer is not null);
        }

        return chart.ToString();
    }

    private static double Intensity(ResultRow row) => row.Operations / row.Bytes;

    private static double Teraflops(ResultRow row) => row.Operations / row.SustainedUs / 1e6;

    private static string Title(ResultRow row)
        => FormattableString.Invariant($"M {row.M}, N {row.N}, K {row.K} {row.Peer ?? row.Variant}: {row.SustainedUs:F1} us, {Teraflops(row):F0} TFLOP/s");
}
