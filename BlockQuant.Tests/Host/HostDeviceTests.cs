using BlockQuant.Kernels;
using BlockQuant.Kernels.Host;
using BlockQuant.Kernels.Portable;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Host;

/// <summary>The device that stands on the host engine. The whole operator suite runs on it with BLOCKQUANT_DEVICE=Host; this much always does.</summary>
internal sealed class HostDeviceTests
{
    private static readonly ComputeDevice Device = ComputeDevice.Create(DeviceKind.Cpu);

    [OneTimeTearDown]
    public void Close() => Device.Dispose();

    [Test]
    public void The_processor_is_the_host_engine()
    {
        Device.Should().BeOfType<HostDevice>();
        Device.Name.Should().MatchRegex(@"^host engine \(.+, \d+ cores\)$");
        ComputeDevice.List().Should().Contain(device => device.Kind == DeviceKind.Cpu && device.IsUsable && device.Name == Device.Name);
    }

    [Test]
    [Category("Golden")]
    public void Products_agree_with_the_golden_ones()
    {
        using SafetensorsFile golden = GoldenFolder.Open("dense");
        foreach (string name in GoldenFolder.Cases(golden, "case"))
        {
            using QuantizedDeviceMatrix<Float8E4M3> a = Operand(golden, name + ".a", QuantizationScheme.Fp8TokenGroup128);
            using QuantizedDeviceMatrix<Float8E4M3> b = Operand(golden, name + ".b", QuantizationScheme.Fp8Block128);
            using DeviceMatrix<float> c = Device.Fp8.Multiply<float>(a, b);
            string expected = golden.TryGet(name + ".c_f32", out _) ? ".c_f32" : golden.TryGet(name + ".c_bf16", out _) ? ".c_bf16" : ".c_fp16";
            Compare.RelativeError(c.ToArray(), golden.ReadSingle(name + expected)).Should().BeLessThan(expected == ".c_f32" ? 5e-4 : 3e-3, name);
        }
    }

    [Test]
    public void Quantized_codes_are_those_of_the_reference([Values] ScaleGranularity granularity, [Values] ElementFormat format)
    {
        var random = new Random(1);
        var scheme = new QuantizationScheme(format, granularity, new BlockShape(3, 50));
        float[] x = RandomData.Normal(random, 20 * 170);
        using DeviceMatrix<float> source = Device.Upload<float>(x, 20, 170);
        if (format == ElementFormat.Float8E4M3)
        {
            using QuantizedDeviceMatrix<Float8E4M3> found = Device.Fp8.Quantize(source, scheme);
            QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(x, 20, 170, scheme);
            found.Codes.ToArray().Select(code => code.Bits).Should().Equal(expected.Codes.ToArray());
            found.Scales.ToArray().Should().Equal(expected.Scales.ToArray());
        }
        else
        {
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Quantize(source, scheme);
            QuantizedMatrix expected = ReferenceOperators.QuantizeInt8(x, 20, 170, scheme);
            found.Codes.ToArray().Select(code => (byte)code).Should().Equal(expected.Codes.ToArray());
            found.Scales.ToArray().Should().Equal(expected.Scales.ToArray());
        }
    }

    [Test]
    public void A_kernel_that_the_engine_lacks_runs_on_the_accelerator()
    {
        var kernel = new Kernel<ClearArguments>(nameof(ClearKernel), ClearKernel.Run);
        HostKernels.Find(kernel).Should().BeNull();
        using DeviceBuffer<float> buffer = Device.Upload<float>([1f, 2f, 3f]);
        Device.Launch(kernel, new LaunchShape(1, 1), new ClearArguments { Output = buffer.View }, null);
        Device.Synchronize();
        buffer.ToArray().Should().Equal(0f, 0f, 0f);
    }

    private static QuantizedDeviceMatrix<Float8E4M3> Operand(SafetensorsFile golden, string name, QuantizationScheme scheme)
        => Device.Upload<Float8E4M3>(new QuantizedMatrix(
            golden.Read<byte>(name), golden.Get(name).Shape[0], golden.Get(name).Shape[1], golden.Read<float>(name + "_scale"), scheme));
}
