using System.Runtime.InteropServices;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>INT8 products of operands that fit the tensor cores: right where there are any, refused where they are asked for and there are none.</summary>
public sealed class Int8TensorCoreTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;
    private static readonly TilePlanOverrides TensorCores = new() { Kernel = KernelFamily.Hopper };
    private static readonly TilePlanOverrides Portable = new() { Kernel = KernelFamily.Portable };

    private static bool HasTensorCores => Device.Traits is { Kind: DeviceKind.Cuda, ComputeCapability: 90 };

    [TestCase(1, 128, 128)]
    [TestCase(17, 200, 400)]
    [TestCase(150, 401, 272)]
    public void Products_agree_with_the_reference_or_are_refused(int m, int n, int k)
    {
        using var operands = new Operands(m, n, k);
        if (!HasTensorCores)
        {
            FluentActions.Invoking(() => operands.Product(TensorCores)).Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
            FluentActions.Invoking(() => operands.Quantized(RoundingMode.Nearest, TensorCores))
                .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
            return;
        }

        using DeviceMatrix<float> product = operands.Product(TensorCores);
        using DeviceMatrix<float> biased = operands.Biased(TensorCores);
        Compare.RelativeError(product.ToArray(), ReferenceOperators.Multiply(operands.HostActivations, operands.HostWeights)).Should().BeLessThan(1e-6);
        Compare.RelativeError(biased.ToArray(), ReferenceOperators.Multiply(operands.HostActivations, operands.HostWeights, operands.HostBias))
            .Should().BeLessThan(1e-6);
        foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
        {
            using QuantizedDeviceMatrix<sbyte> expected = Device.Int8.Quantize(biased, QuantizationScheme.Int8TokenGroup128, rounding);
            using QuantizedDeviceMatrix<sbyte> found = operands.Quantized(rounding, TensorCores);
            found.Scales.ToArray().Should().Equal(expected.Scales.ToArray(), "the product, then quantized, to the last bit");
            found.Codes.ToArray().Should().Equal(expected.Codes.ToArray());
        }
    }

    [TestCase(3, 128, 128)]
    [TestCase(20, 144, 272)]
    public void Operands_that_fit_give_the_product_on_every_device(int m, int n, int k)
    {
        using var operands = new Operands(m, n, k);
        using DeviceMatrix<float> biased = operands.Biased(null);
        double[] expected = ReferenceOperators.Multiply(operands.HostActivations, operands.HostWeights, operands.HostBias);
        Compare.RelativeError(biased.ToArray(), expected).Should().BeLessThan(1e-6);
        foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
        {
            QuantizedMatrix reference = ReferenceOperators.MultiplyQuantizeInt8(
                operands.HostActivations, operands.HostWeights, QuantizationScheme.Int8TokenGroup128, rounding, operands.HostBias);
            using QuantizedDeviceMatrix<sbyte> found = operands.Quantized(rounding, null);
            Compare.RelativeError(found.Scales.ToArray(), reference.Scales.ToArray()).Should().BeLessThan(1e-6);
            Compare.CodesOfResults(found.Codes.ToArray(), MemoryMarshal.Cast<byte, sbyte>(reference.Codes.Span).ToArray(), $"{rounding}");
        }
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_scale_that_is_not_finite_spoils_its_row_and_no_other(float planted)
    {
        const int M = 5;
        const int N = 200;
        const int K = 256;
        using var operands = new Operands(M, N, K);
        float[] scales = operands.HostActivations.Scales.ToArray();
        scales[3 * 2 + 1] = planted;
        using QuantizedDeviceMatrix<sbyte> clean = operands.Quantized(RoundingMode.ReferenceCompatible, null);
        operands.Activations.Scales.CopyFrom(scales);
        using QuantizedDeviceMatrix<sbyte> found = operands.Quantized(RoundingMode.ReferenceCompatible, null);
        using QuantizedDeviceMatrix<sbyte> portable = operands.Quantized(RoundingMode.ReferenceCompatible, Portable);
        sbyte[] codes = found.Codes.ToArray();
        codes[(3 * N)..(4 * N)].Should().OnlyContain(code => code == 0);
        codes[..(3 * N)].Should().Equal(clean.Codes.ToArray()[..(3 * N)]);
        codes[(4 * N)..].Should().Equal(clean.Codes.ToArray()[(4 * N)..]);
        Array.ConvertAll(found.Scales.ToArray()[6..8], BitConverter.SingleToInt32Bits)
            .Should().Equal(Array.ConvertAll(portable.Scales.ToArray()[6..8], BitConverter.SingleToInt32Bits));
    }

    private sealed class Operands : IDisposable
    {
        private readonly DeviceBuffer<float> bias;

        public Operands(int m, int n, int k)
        {
            var random = new Random(31);
            HostActivations = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, m * k), m, k, QuantizationScheme.Int8TokenGroup128);
            HostWeights = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, n * k), n, k, QuantizationScheme.Int8Block128);
            HostBias = Array.ConvertAll(RandomData.Normal(random, n), value => value * 20f);
            Activations = Device.Upload<sbyte>(HostActivations);
            Weights = Device.Upload<sbyte>(HostWeights);
            bias = Device.Upload<float>(HostBias);
        }

        public QuantizedMatrix HostActivations { get; }

        public QuantizedMatrix HostWeights { get; }

        public float[] HostBias { get; }

        public QuantizedDeviceMatrix<sbyte> Activations { get; }

        private QuantizedDeviceMatrix<sbyte> Weights { get; }

        public DeviceMatrix<float> Product(TilePlanOverrides? plan) => Device.Int8.Multiply<float>(Activations, Weights, plan);

        public DeviceMatrix<float> Biased(TilePlanOverrides? plan) => Device.Int8.MultiplyAdd<float>(Activations, Weights, bias, plan);

        public QuantizedDeviceMatrix<sbyte> Quantized(RoundingMode rounding, TilePlanOverrides? plan)
            => Device.Int8.MultiplyAddQuantize(Activations, Weights, bias, QuantizationScheme.Int8TokenGroup128, rounding, plan);

        public void Dispose()
        {
            Activations.Dispose();
            Weights.Dispose();
            bias.Dispose();
        }
    }
}
