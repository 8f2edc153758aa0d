namespace BlockQuant.Benchmarks.Suites;

/// <summary>One measurement: what ran, its error against float64, and its times.</summary>
internal sealed record SuiteResult(string Suite, int M, int N, int K, string Variant)
{
    public double Error { get; init; }

    public double SpacedMicroseconds { get; init; }

    public double SustainedMicroseconds { get; init; }

    public double Operations { get; init; }

    public double Bytes { get; init; }

    public override string ToString()
    {
        string head = $"{Suite} {M} {N} {K} {Variant}";
        if (Error > 0)
            head += $": error {Error:E2}";
        return SpacedMicroseconds == 0
            ? head
            : $"{head}; spaced {Times(SpacedMicroseconds)}; sustained {Times(SustainedMicroseconds)}";
    }

    private string Times(double microseconds) =>
        $"{microseconds:F1} us {Operations / microseconds / 1e6:F0} TFLOP/s {Bytes / microseconds / 1e3:F0} GB/s";
}
