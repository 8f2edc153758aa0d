using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Hardening;

/// <summary>Where the memory of a call may lie: on the operators' device, and nothing that is written in memory of another operand.</summary>
internal sealed class OperandMemoryTests
{
    private ComputeDevice memory = null!;
    private ComputeDevice other = null!;
    private CountingDevice device = null!;

    private static IEnumerable<TestCaseData> Calls()
        => ViewTierCalls.All.Select(call => new TestCaseData(call.Call).SetArgDisplayNames(call.Name));

    [OneTimeSetUp]
    public void Open()
    {
        memory = TestDevice.Open();
        other = TestDevice.OpenOther();
        device = new CountingDevice(memory);
    }

    [OneTimeTearDown]
    public void Close()
    {
        device.Dispose();
        other.Dispose();
        memory.Dispose();
    }

    [TestCaseSource(nameof(Calls))]
    public void Memory_of_another_device_is_refused(Action<ComputeDevice, OperandMemory> call)
    {
        int operands = Operands(call).Count;
        int launches = device.Launches;
        for (int operand = 0; operand < operands; operand++)
        {
            using var mixed = new OperandMemory(device) { Foreign = operand, Other = other };
            FluentActions.Invoking(() => call(device, mixed))
                .Should().Throw<ArgumentException>($"operand {operand} is foreign").WithMessage($"*: memory of another device; expected that of {device.Name}.*");
        }

        device.Launches.Should().Be(launches);
    }

    [TestCaseSource(nameof(Calls))]
    public void Memory_that_is_written_is_no_other_operand_s(Action<ComputeDevice, OperandMemory> call)
    {
        IReadOnlyList<bool> written = Operands(call);
        int launches = device.Launches;
        for (int first = 0; first < written.Count; first++)
        {
            for (int second = first + 1; second < written.Count; second++)
            {
                if (written[first] || written[second])
                {
                    using var shared = new OperandMemory(device) { Shared = (first, second) };
                    FluentActions.Invoking(() => call(device, shared))
                        .Should().Throw<ArgumentException>($"operands {first} and {second} overlap").WithMessage("*: overlaps *; expected memory of its own.*");
                }
            }
        }

        device.Launches.Should().Be(launches);
    }

    [Test]
    public void A_stream_of_another_device_is_refused()
    {
        using AcceleratorStream own = memory.CreateStream();
        using AcceleratorStream foreign = other.CreateStream();
        using var x = new DeviceMatrix<float>(memory, 2, 4);
        using var q = new QuantizedDeviceMatrix<Float8E4M3>(memory, 2, 4, QuantizationScheme.Fp8Token);
        x.CopyFrom(new float[8], own);
        memory.Fp8.Quantize(x.View, q.View, own);
        own.Synchronize();
        Action[] uses =
        [
            () => memory.Fp8.Quantize(x.View, q.View, foreign),
            () => x.CopyFrom(new float[8], foreign),
            () => x.CopyTo(new float[8], foreign),
            () => x.CopyFrom(new float[8], other.DefaultStream),
        ];
        foreach (Action use in uses)
        {
            use.Should().Throw<ArgumentException>().WithMessage($"stream: of another device; expected one of {memory.Name}.*");
        }
    }

    [Test]
    public void Matrices_of_another_device_are_refused_and_the_result_is_freed()
    {
        using DeviceMatrix<float> x = other.Upload<float>(new float[8], 2, 4);
        long before = memory.BufferCount;
        FluentActions.Invoking(() => memory.Fp8.Quantize(x, QuantizationScheme.Fp8Token))
            .Should().Throw<ArgumentException>().WithMessage($"source: memory of another device; expected that of {memory.Name}.*");
        memory.BufferCount.Should().Be(before);
    }

    [Test]
    public void Operands_are_checked_without_an_allocation()
    {
        using var operands = new OperandMemory(device);
        using AcceleratorStream stream = memory.CreateStream();
        QuantizedView<Float8E4M3> a = operands.In<Float8E4M3>(4, 8, QuantizationScheme.Fp8TokenGroup128);
        QuantizedView<Float8E4M3> b = operands.In<Float8E4M3>(6, 8, QuantizationScheme.Fp8Block128);
        MatrixView<float> c = operands.Out<float>(4, 6);
        var experts = new ExpertWeightsView<Float8E4M3>(operands.In<Float8E4M3>(2 * 6 * 8), operands.In<float>(2), 2, 6, 8, QuantizationScheme.Fp8Block128);
        ArrayView<int> offsets = operands.In<int>(2), workspace = operands.Out<int>(3), status = operands.Out<int>(DeviceStatus.Length);
        Multiply();

        long before = GC.GetAllocatedBytesForCurrentThread();
        Multiply();
        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);

        void Multiply()
        {
            device.Fp8.Multiply(a, b, c, null, stream);
            device.Fp8.MultiplyGrouped(a, experts, offsets, c, workspace, status, null, stream);
        }
    }

    /// <summary>The operands of a call that is as it should be.</summary>
    private IReadOnlyList<bool> Operands(Action<ComputeDevice, OperandMemory> call)
    {
        using var apart = new OperandMemory(device);
        int launches = device.Launches;
        call(device, apart);
        device.Launches.Should().BeGreaterThan(launches);
        return apart.Written;
    }
}
