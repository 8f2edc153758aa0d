using BlockQuant.Emulator;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Emulator;

/// <summary>Whatever allocates several pieces frees them all when one no longer fits, wherever that is.</summary>
public sealed class OutOfMemoryTests
{
    private const long Limit = 1 << 20;

    /// <summary>More than any of the results below takes.</summary>
    private const int Most = 4096;

    private static readonly QuantizationScheme Tokens = QuantizationScheme.Fp8Token;

    private static IEnumerable<TestCaseData> Allocating() =>
    [
        Case("codes and scales", d => new QuantizedDeviceMatrix<Float8E4M3>(d, 4, 8, Tokens)),
        Case("uploaded codes", d => d.Upload<Float8E4M3>(Reference.ReferenceOperators.QuantizeFp8(new float[32], 4, 8, Tokens))),
        Case("experts", d => new ExpertWeights<Float8E4M3>(d, 2, 4, 8, Tokens)),
        Case("adapter map", d => new AdapterMap(d, [0, 1, -1], 2)),
        Case("routing table", d => new ExpertRoutingTable(d, 3, 2, 4)),
        Case("LoRA slice", d => new LoraDeviceSlice<Float8E4M3>(d, Tokens, 2, 4, 8)),
        Case("status", d => new DeviceStatus(d)),
        Case("routing", d => d.Routing.Route([0, 1, 1, 2], 2, 3)),
        Case("quantize", d => new DeviceMatrix<float>(d, 4, 8), (d, x) => d.Fp8.Quantize(x, Tokens)),
        Case("dequantize", Codes, (d, x) => d.Fp8.Dequantize<float>(x)),
        Case("multiply", Codes, (d, x) => d.Fp8.Multiply<float>(x, x)),
        Case("quantized INT8 product", Int8Codes, (d, x) => d.Int8.MultiplyQuantize(x, x, QuantizationScheme.Int8TokenGroup128)),
        Case("batched", Experts, (d, b) => MultiplyBatched(d, b)),
        Case("grouped", Experts, (d, b) => MultiplyGrouped(d, b)),
        Case("shrink", d => new LoraDeviceSlice<float>(d, 2, 4, 8), (d, a) => Shrink(d, a)),
    ];

    [TestCaseSource(nameof(Allocating))]
    public void Nothing_is_left_behind(Func<ComputeDevice, IDisposable> operand, Func<ComputeDevice, IDisposable, IDisposable> allocate)
    {
        var emulator = new EmulatorAccelerator(new EmulatorOptions { MemoryLimit = Limit });
        using ComputeDevice device = ComputeDevice.FromAccelerator(emulator);
        using IDisposable given = operand(device);
        int failures = 0;
        bool fits = false;
        for (int free = 0; free < Most && !fits; free += 4)
        {
            long before = emulator.AllocatedBytes;
            using DeviceBuffer<byte> ballast = device.Allocate<byte>(Limit - before - free);
            try
            {
                allocate(device, given).Dispose();
                fits = true;
            }
            catch (DeviceOutOfMemoryException error)
            {
                error.RequestedBytes.Should().BePositive();
                error.TotalBytes.Should().Be(Limit);
                failures++;
            }

            (emulator.AllocatedBytes - ballast.Length).Should().Be(before, $"with {free} bytes free");
        }

        failures.Should().BePositive();
        fits.Should().BeTrue();
    }

    [Test]
    public void The_message_has_what_was_asked_for_and_what_there_is()
    {
        using ComputeDevice device = ComputeDevice.FromAccelerator(new EmulatorAccelerator(new EmulatorOptions { MemoryLimit = Limit }));
        using DeviceBuffer<byte> taken = device.Allocate<byte>(Limit - 100);
        FluentActions.Invoking(() => device.Allocate<int>(26)).Should().Throw<DeviceOutOfMemoryException>()
            .WithMessage($"emulator could not allocate 104 bytes of {Limit} in all.")
            .WithInnerException<EmulatorOutOfMemoryException>().Which.AvailableBytes.Should().Be(100);
        device.Allocate<int>(25).Dispose();
    }

    private static QuantizedDeviceMatrix<Float8E4M3> Codes(ComputeDevice device) => new(device, 4, 8, Tokens);

    private static QuantizedDeviceMatrix<sbyte> Int8Codes(ComputeDevice device) => new(device, 4, 8, new(ElementFormat.Int8, ScaleGranularity.Tensor));

    private static ExpertWeights<Float8E4M3> Experts(ComputeDevice device) => new(device, 2, 4, 8, Tokens);

    private static DeviceMatrix<float> MultiplyBatched(ComputeDevice device, ExpertWeights<Float8E4M3> weights)
    {
        using var x = new DeviceMatrix<float>(device, 3, 8);
        return device.Fp8.MultiplyBatched(x, weights, [0, 1, 1]);
    }

    private static DeviceMatrix<float> MultiplyGrouped(ComputeDevice device, ExpertWeights<Float8E4M3> weights)
    {
        using var x = new DeviceMatrix<float>(device, 3, 8);
        return device.Fp8.MultiplyGrouped(x, weights, [1, 3]);
    }

    private static DeviceMatrix<float> Shrink(ComputeDevice device, LoraDeviceSlice<float> slice)
    {
        using var x = new DeviceMatrix<float>(device, 3, 8);
        using var map = new AdapterMap(device, [0, 1, -1], 2);
        return device.Lora.Shrink(x, [slice], map, 1f, new() { Plan = new LoraPlanOverrides { SplitK = 2 } });
    }

    private static TestCaseData Case(string name, Func<ComputeDevice, IDisposable> allocate)
        => Case(name, d => d.Allocate<int>(1), (d, _) => allocate(d));

    private static TestCaseData Case<T>(string name, Func<ComputeDevice, T> operand, Func<ComputeDevice, T, IDisposable> allocate)
        where T : IDisposable
        => new TestCaseData((Func<ComputeDevice, IDisposable>)(d => operand(d)), (Func<ComputeDevice, IDisposable, IDisposable>)((d, x) => allocate(d, (T)x)))
            .SetName("{m}(" + name + ")");
}
