using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

internal sealed class QuantizeSchedulerTests
{
    [TestCase(1, 128, 1, 128, QuantizeKernelKind.TokenGroups)]
    [TestCase(4096, 7168, 1, 128, QuantizeKernelKind.TokenGroups)]
    [TestCase(4096, 7168, 128, 128, QuantizeKernelKind.Blocks)]
    [TestCase(128, 128, 128, 128, QuantizeKernelKind.Blocks)]
    [TestCase(4096, 7169, 1, 128, QuantizeKernelKind.Portable)]
    [TestCase(4096, 7232, 1, 128, QuantizeKernelKind.Portable)]
    [TestCase(4096, 64, 1, 64, QuantizeKernelKind.Portable)]
    [TestCase(4096, 7168, 1, 7168, QuantizeKernelKind.Portable)]
    [TestCase(127, 7168, 128, 128, QuantizeKernelKind.Portable)]
    [TestCase(192, 7168, 128, 128, QuantizeKernelKind.Portable)]
    [TestCase(128, 128, 64, 128, QuantizeKernelKind.Portable)]
    [TestCase(0, 128, 1, 128, QuantizeKernelKind.Portable)]
    [TestCase(128, 0, 1, 128, QuantizeKernelKind.Portable)]
    public void A_kernel_follows_from_whole_blocks(long rows, long columns, long blockRows, long blockColumns, QuantizeKernelKind expected)
        => QuantizeScheduler.Choose(Gpu(90), rows, columns, blockRows, blockColumns, aligned: true).Should().Be(expected);

    [TestCase(90, true, QuantizeKernelKind.TokenGroups)]
    [TestCase(89, true, QuantizeKernelKind.TokenGroups)]
    [TestCase(86, true, QuantizeKernelKind.Portable)]
    [TestCase(90, false, QuantizeKernelKind.Portable)]
    public void Vectors_need_packed_conversions_and_alignment(int capability, bool aligned, QuantizeKernelKind expected)
        => QuantizeScheduler.Choose(Gpu(capability), 16, 256, 1, 128, aligned).Should().Be(expected);

    [TestCase(DeviceKind.OpenCL)]
    [TestCase(DeviceKind.Cpu)]
    public void Other_devices_take_the_portable_kernels(DeviceKind kind)
        => QuantizeScheduler.Choose(Gpu(90) with { Kind = kind }, 16, 256, 1, 128, aligned: true).Should().Be(QuantizeKernelKind.Portable);

    private static DeviceTraits Gpu(int capability) => new()
    {
        Kind = DeviceKind.Cuda,
        Name = "GPU",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = capability,
    };
}
