using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>Traits of GPUs, for plans that no such GPU is needed for.</summary>
internal static class GpuTraits
{
    public static readonly DeviceTraits Hopper = new()
    {
        Kind = DeviceKind.Cuda,
        Name = "a Hopper GPU",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = 90,
    };
}
