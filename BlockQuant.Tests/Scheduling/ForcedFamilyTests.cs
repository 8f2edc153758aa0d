using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>Overrides that ask a product for what only another has are errors, never passed over.</summary>
internal sealed class ForcedFamilyTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static IEnumerable<TestCaseData> Products()
    {
        yield return Product("grouped", overrides =>
        {
            using ExpertWeights<Float8E4M3> weights = Experts();
            using var x = new DeviceMatrix<float>(Device, 4, 8);
            Device.Fp8.MultiplyGrouped(x, weights, [2, 4], overrides).Dispose();
        });
        yield return Product("grouped codes", overrides =>
        {
            using ExpertWeights<Float8E4M3> weights = Experts();
            using var x = new QuantizedDeviceMatrix<Float8E4M3>(Device, 4, 8, QuantizationScheme.Fp8TokenGroup128);
            Device.Fp8.MultiplyGrouped<float>(x, weights, [2, 4], overrides).Dispose();
        });
        yield return Product("batched", overrides =>
        {
            using ExpertWeights<Float8E4M3> weights = Experts();
            using var x = new DeviceMatrix<float>(Device, 2, 8);
            Device.Fp8.MultiplyBatched(x, weights, [0, 1], overrides).Dispose();
        });
        yield return Product("int8", overrides => Int8((a, b, bias) => Device.Int8.Multiply(a, b, overrides)));
        yield return Product("int8 with bias", overrides => Int8((a, b, bias) => Device.Int8.MultiplyAdd(a, b, bias, overrides)));
        yield return Product(
            "int8 quantized", overrides => Int8((a, b, bias) => Device.Int8.MultiplyQuantize(a, b, QuantizationScheme.Int8TokenGroup128, overrides: overrides)));
    }

    [TestCaseSource(nameof(Products))]
    public void A_family_without_a_kernel_is_refused(Action<TilePlanOverrides> multiply)
    {
        foreach (KernelFamily family in (KernelFamily[])[KernelFamily.TensorFloat8, KernelFamily.TensorFloat16])
        {
            Refuses(multiply, new() { Kernel = family }, $"tile plan: no kernel of family {family} computes this product; expected Portable or Hopper.");
        }
    }

    [TestCaseSource(nameof(Products))]
    public void A_place_to_quantize_is_refused_where_there_is_no_choice(Action<TilePlanOverrides> multiply)
        => Refuses(multiply, new() { FuseQuantization = false }, "tile plan: FuseQuantization is False; expected null, because this is no dense product");

    [Test]
    public void A_place_to_quantize_codes_is_refused([Values] bool fuse)
    {
        using var a = new QuantizedDeviceMatrix<Float8E4M3>(Device, 4, 8, QuantizationScheme.Fp8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<Float8E4M3>(Device, 6, 8, QuantizationScheme.Fp8Block128);
        Refuses(
            overrides => Device.Fp8.Multiply<float>(a, b, overrides), new() { FuseQuantization = fuse }, $"FuseQuantization is {fuse}; expected null, because this");
    }

    private static TestCaseData Product(string name, Action<TilePlanOverrides> multiply) => new TestCaseData(multiply).SetArgDisplayNames(name);

    private static ExpertWeights<Float8E4M3> Experts() => new(Device, 2, 4, 8, QuantizationScheme.Fp8Block128);

    private static void Int8(Func<QuantizedDeviceMatrix<sbyte>, QuantizedDeviceMatrix<sbyte>, DeviceBuffer<float>, IDisposable> multiply)
    {
        using var a = new QuantizedDeviceMatrix<sbyte>(Device, 4, 8, QuantizationScheme.Int8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<sbyte>(Device, 6, 8, QuantizationScheme.Int8Block128);
        using DeviceBuffer<float> bias = Device.Upload<float>(new float[6]);
        multiply(a, b, bias).Dispose();
    }

    private static void Refuses(Action<TilePlanOverrides> multiply, TilePlanOverrides overrides, string message)
        => multiply.Invoking(call => call(overrides)).Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
