namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>One row of the host engine's tables.</summary>
/// <param name="Name">What ran.</param>
/// <param name="Operations">Floating-point or integer operations, or 0.</param>
/// <param name="Bytes">Bytes read and written at least.</param>
/// <param name="Times">How long it took.</param>
internal sealed record HostMeasurement(string Name, double Operations, double Bytes, ActionTimes Times)
{
    /// <summary>Operations a second at the median, in thousand millions.</summary>
    public double Gigaflops => Operations / Times.Median / 1e6;

    /// <summary>Bytes a second at the median, in thousand millions.</summary>
    public double Gigabytes => Bytes / Times.Median / 1e6;

    /// <summary>Bytes a second in the least time, in thousand millions.</summary>
    public double MostGigabytes => Bytes / Times.Minimum / 1e6;
}

/// <summary>An action to time, with what it computes and moves.</summary>
internal sealed record HostCase(string Name, double Operations, double Bytes, Action Run)
{
    /// <summary>Times cases in rounds: see <see cref="InterleavedTimer"/>.</summary>
    public static HostMeasurement[] Measure(IReadOnlyList<HostCase> cases, int rounds)
    {
        ActionTimes[] times = InterleavedTimer.Time(cases.Select(one => one.Run).ToArray(), rounds);
        return cases.Zip(times, (one, time) => new HostMeasurement(one.Name, one.Operations, one.Bytes, time)).ToArray();
    }
}
