namespace BlockQuant.Tests.Hardening;

/// <summary>Sizes that no device has, and those that no number holds.</summary>
public sealed class MemoryTests
{
    private const long Huge = 1L << 50;

    [Test]
    public void What_does_not_fit_is_refused_with_its_sizes_and_the_device_goes_on([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        using DeviceMatrix<float> x = device.Upload<float>([1f, 2f], 1, 2);
        for (int i = 0; i < 3; i++)
        {
            DeviceOutOfMemoryException error = FluentActions.Invoking(() => device.Allocate<float>(Huge)).Should().Throw<DeviceOutOfMemoryException>().Which;
            error.RequestedBytes.Should().Be(4 * Huge);
            error.TotalBytes.Should().Be(device.Traits.MemoryBytes);
            error.Message.Should().Contain($"{4 * Huge} bytes").And.Contain($"{device.Traits.MemoryBytes} in all").And.Contain(device.Name);
        }

        device.BufferCount.Should().Be(1);
        using QuantizedDeviceMatrix<Float8E4M3> q = device.Fp8.Quantize(x, QuantizationScheme.Fp8Token);
        q.Codes.ToArray()[1].ToSingle().Should().Be(448f);
    }

    [Test]
    public void The_most_bytes_that_a_number_holds_do_not_fit([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        FluentActions.Invoking(() => device.Allocate<byte>(long.MaxValue)).Should().Throw<DeviceOutOfMemoryException>();
        FluentActions.Invoking(() => device.Allocate<double>(long.MaxValue / 8)).Should().Throw<DeviceOutOfMemoryException>();
        device.BufferCount.Should().Be(0);
    }

    [Test]
    public void The_host_engine_has_the_memory_of_the_machine()
    {
        using ComputeDevice device = TestedDevice.Host.Open();
        device.Traits.MemoryBytes.Should().Be(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }

    [Test]
    public void A_size_that_overflows_is_refused()
    {
        using ComputeDevice device = TestedDevice.Host.Open();
        using DeviceBuffer<float> buffer = device.Allocate<float>(4);
        Refuses(() => device.Allocate<int>(1L << 61), "2305843009213693952");
        Refuses(() => new DeviceMatrix<float>(device, 1L << 40, 1L << 40), "matrix: shape [1099511627776, 1099511627776]");
        Refuses(() => new MatrixView<float>(buffer.View, 1L << 32, 1L << 32), "data: shape [4294967296, 4294967296]");
        Refuses(() => device.Upload<float>(new float[4], 1L << 32, 1L << 32), "source: shape [4294967296, 4294967296]");
        Refuses(() => new QuantizedDeviceMatrix<sbyte>(device, 1L << 40, 1L << 40, QuantizationScheme.Int8Block128), "matrix: shape");
        Refuses(() => new ExpertWeights<Float8E4M3>(device, 1 << 30, 1L << 30, 1L << 30, QuantizationScheme.Fp8Tensor), "weights: shape [1073741824, ");
        Refuses(() => new ExpertRoutingTable(device, 1L << 62, 4, 2), "matrix: shape [4611686018427387904, 4]");
        Refuses(() => new LoraDeviceSlice<float>(device, 1L << 30, 1L << 30, 1L << 30), "weights: shape");
        Refuses(() => new LoraSlice<float>(buffer.View, 1, 4, 1, 4, 1L << 62), "values: shape [1, 4, 4611686018427387904]");
        Refuses(() => new LoraSlice<float>(buffer.View, 4, 1, 1, 1L << 62), "values: shape [4, 4611686018427387904]");
        Refuses(() => LoraOperators.ShrinkWorkspaceLength(1 << 30, 1L << 30, 1 << 30, new() { Plan = new() { SplitK = 4 } }), "workspace: shape [4, ");
        device.BufferCount.Should().Be(1);
    }

    private static void Refuses(Func<object> action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
