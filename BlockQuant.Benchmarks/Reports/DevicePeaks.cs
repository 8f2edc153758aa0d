namespace BlockQuant.Benchmarks.Reports;

/// <summary>What a device can do at most, by its maker's data sheet: dense FP8 or INT8 operations, and bytes of its memory.</summary>
internal sealed record DevicePeaks(double TeraflopsPerSecond, double TerabytesPerSecond)
{
    public static DevicePeaks? Of(string device) => device switch
    {
        "NVIDIA H200" => new DevicePeaks(1979, 4.8),
        "NVIDIA H100 80GB HBM3" => new DevicePeaks(1979, 3.35),
        _ => null,
    };
}
