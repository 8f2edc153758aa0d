using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>The promise that weights are constant reaches the kernels that make use of it, and changes no result.</summary>
internal sealed class ConstantWeightsTests
{
    private const int M = 4, N = 128, K = 256;

    private static readonly HopperPlan Plan = new(HopperKernelKind.Decode, 8, 128, 1, 1);

    [Test]
    public void The_promise_reaches_the_kernels([Values] bool constant)
    {
        using ComputeDevice device = ComputeDevice.Create(DeviceKind.Cpu);
        using var x = new DeviceMatrix<BFloat16>(device, M, K);
        using var a = new QuantizedDeviceMatrix<Float8E4M3>(device, M, K, QuantizationScheme.Fp8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<Float8E4M3>(device, N, K, QuantizationScheme.Fp8Block128) { IsConstant = constant };
        using var a8 = new QuantizedDeviceMatrix<sbyte>(device, M, K, QuantizationScheme.Int8TokenGroup128);
        using var b8 = new QuantizedDeviceMatrix<sbyte>(device, N, K, QuantizationScheme.Int8Block128);
        using var c = new DeviceMatrix<BFloat16>(device, M, N);

        MatmulCall codes = HopperMultiplication.Call(a.View, b.View, c.View, Plan);
        MatmulCall rows = HopperMultiplication.FusedCall(x.View, b.View, c.View, Plan);
        MatmulCall int8 = HopperMultiplication.Call(a8.View, b8.View with { IsConstant = constant }, c.View, Plan);

        rows.QuantizesActivations.Should().BeTrue();
        int expected = constant ? 1 : 0;
        MatmulArguments.Of(codes).Last.Should().Be(expected);
        FusedMatmulArguments.Of(rows).Early.Should().Be(expected);
        Int8MatmulArguments.Of(new Int8MatmulCall { Product = int8, Bias = 0, OutputScales = 0, Nearest = false }).Product.Last.Should().Be(expected);
    }

    [Test]
    public void The_promise_changes_no_bit()
    {
        ComputeDevice device = TestDevice.Shared;
        using DeviceMatrix<BFloat16> x = device.Upload<BFloat16>(Array.ConvertAll(RandomData.Normal(new Random(1), M * K), BFloat16.FromSingle), M, K);
        using DeviceMatrix<float> w = device.Upload<float>(RandomData.Normal(new Random(2), N * K), N, K);
        using QuantizedDeviceMatrix<Float8E4M3> a = device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = device.Fp8.Quantize(w, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<sbyte> a8 = device.Int8.Quantize(x, QuantizationScheme.Int8TokenGroup128);
        using QuantizedDeviceMatrix<sbyte> b8 = device.Int8.Quantize(w, QuantizationScheme.Int8Block128);
        device.Synchronize();
        b.View.IsConstant.Should().BeFalse();
        float[][] expected = Products();
        (b.IsConstant, b8.IsConstant) = (true, true);

        float[][] found = Products();

        for (int i = 0; i < expected.Length; i++)
        {
            found[i].Should().Equal(expected[i]);
        }

        float[][] Products()
        {
            using DeviceMatrix<float> codes = device.Fp8.Multiply<float>(a, b);
            using DeviceMatrix<float> rows = device.Fp8.Multiply<BFloat16, float>(x, b);
            using DeviceMatrix<float> int8 = device.Int8.Multiply<float>(a8, b8);
            return [codes.ToArray(), rows.ToArray(), int8.ToArray()];
        }
    }
}
