using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>The FP8 operators on random ragged shapes against the float64 reference.</summary>
public sealed class Fp8PropertyTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static readonly TilePlanOverrides Portable = new() { Kernel = KernelFamily.Portable };

    private static readonly Arbitrary<Product> Products = (
        from m in Gen.Choose(1, 40)
        from n in Gen.Choose(1, 70)
        from k in Gen.Choose(1, 300)
        from activationBlock in Gen.Choose(1, 140)
        from weightRows in Gen.Choose(1, 140)
        from weightColumns in Gen.Choose(1, 140)
        from seed in Gen.Choose(0, 1_000_000)
        select new Product(m, n, k, activationBlock, new BlockShape(weightRows, weightColumns), seed)).ToArbitrary();

    [Test]
    public void Quantization_is_that_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            float[] x = RandomData.Normal(new Random(p.Seed), p.N * p.K);
            QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(x, p.N, p.K, p.WeightScheme);
            using DeviceMatrix<float> source = Device.Upload<float>(x, p.N, p.K);
            using QuantizedDeviceMatrix<Float8E4M3> found = Device.Fp8.Quantize(source, p.WeightScheme);
            Compare.Scales(found.Scales.ToArray(), expected.Scales.ToArray(), $"{p}");
            Compare.Codes(found.Codes.ToArray(), RandomData.Codes(expected), $"{p}");
        }).Check(Properties.Cases(12));

    [TestCase(ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.Channel)]
    [TestCase(ScaleGranularity.Token)]
    public void Coarser_scales_are_those_of_the_reference(ScaleGranularity granularity)
    {
        var random = new Random(7);
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, granularity, default);
        float[] x = RandomData.Normal(random, 13 * 77);
        QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(x, 13, 77, scheme);
        using DeviceMatrix<float> source = Device.Upload<float>(x, 13, 77);
        using QuantizedDeviceMatrix<Float8E4M3> found = Device.Fp8.Quantize(source, scheme);
        Compare.Scales(found.Scales.ToArray(), expected.Scales.ToArray(), granularity.ToString());
        Compare.Codes(found.Codes.ToArray(), RandomData.Codes(expected), granularity.ToString());
    }

    [Test]
    public void Products_of_ragged_shapes_are_those_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            var random = new Random(p.Seed);
            QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, p.M * p.K), p.M, p.K, p.ActivationScheme);
            QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, p.N * p.K), p.N, p.K, p.WeightScheme);
            CheckProduct(a, b, $"{p}");
        }).Check(Properties.Cases(12));

    [TestCase(ScaleGranularity.Token, ScaleGranularity.Channel)]
    [TestCase(ScaleGranularity.Tensor, ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.TokenGroup, ScaleGranularity.Channel)]
    public void Products_of_any_granularity_are_those_of_the_reference(ScaleGranularity activations, ScaleGranularity weights)
    {
        var random = new Random(3);
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 9 * 150), 9, 150, Scheme(activations));
        QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 21 * 150), 21, 150, Scheme(weights));
        CheckProduct(a, b, $"{activations} x {weights}");

        static QuantizationScheme Scheme(ScaleGranularity granularity) => new(ElementFormat.Float8E4M3, granularity, new BlockShape(1, 128));
    }

    [Test]
    public void A_shard_may_start_inside_a_scale_block()
    {
        var random = new Random(11);
        const int N = 300;
        const int K = 400;
        QuantizedMatrix whole = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, N * K), N, K, QuantizationScheme.Fp8Block128);
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 5 * K), 5, K, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> weight = Device.Upload<Float8E4M3>(whole);
        using QuantizedDeviceMatrix<Float8E4M3> activation = Device.Upload<Float8E4M3>(a);
        using DeviceMatrix<float> expected = Device.Fp8.Multiply<float>(activation, weight, Portable);

        // Rows 70 to 169 of the weight: their first scale block began 70 rows earlier.
        var codes = new MatrixView<Float8E4M3>(weight.Codes.View.Data.SubView(70L * K, 100L * K), 100, K);
        var scales = new MatrixView<float>(weight.Scales.View.Data.SubView(0, 2 * 4), 2, 4);
        var shard = new QuantizedView<Float8E4M3>(codes, scales, QuantizationScheme.Fp8Block128, scaleRowOffset: 70);
        using var found = new DeviceMatrix<float>(Device, 5, 100);
        Device.Fp8.Multiply(activation.View, shard, found.View, Portable);

        float[] all = expected.ToArray();
        float[] part = found.ToArray();
        for (int m = 0; m < 5; m++)
        {
            part.AsSpan(m * 100, 100).ToArray().Should().Equal(all.AsSpan(m * N + 70, 100).ToArray());
        }
    }

    [Test]
    public void A_row_does_not_depend_on_the_other_rows()
    {
        var random = new Random(5);
        const int M = 21;
        const int N = 40;
        const int K = 200;
        float[] x = RandomData.Normal(random, M * K);
        QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, N * K), N, K, QuantizationScheme.Fp8Block128);
        float[] before = Product(x);
        float[] changed = x.ToArray();
        for (int i = 0; i < changed.Length; i++)
        {
            if (i / K != 13)
            {
                changed[i] *= -3.7f;
            }
        }

        Product(changed).AsSpan(13 * N, N).ToArray().Should().Equal(before.AsSpan(13 * N, N).ToArray());

        float[] Product(float[] values)
        {
            using DeviceMatrix<float> source = Device.Upload<float>(values, M, K);
            using QuantizedDeviceMatrix<Float8E4M3> a = Device.Fp8.Quantize(source, QuantizationScheme.Fp8TokenGroup128);
            using QuantizedDeviceMatrix<Float8E4M3> weight = Device.Upload<Float8E4M3>(b);
            using DeviceMatrix<float> c = Device.Fp8.Multiply<float>(a, weight);
            return c.ToArray();
        }
    }

    [TestCase(1, 64, 256)]
    [TestCase(17, 200, 400)]
    [TestCase(150, 130, 1024)]
    public void Tensor_cores_agree_with_the_reference_or_are_refused(int m, int n, int k)
    {
        var random = new Random(29);
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, m * k), m, k, QuantizationScheme.Fp8TokenGroup128);
        QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, n * k), n, k, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<Float8E4M3> activations = Device.Upload<Float8E4M3>(a);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Upload<Float8E4M3>(b);
        Func<DeviceMatrix<float>> product = () => Device.Fp8.Multiply<float>(activations, weights, new TilePlanOverrides { Kernel = KernelFamily.Hopper });
        if (Device.Traits is not { Kind: DeviceKind.Cuda, ComputeCapability: 90 })
        {
            product.Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
            return;
        }

        // The tensor core's FP8 accumulator is narrower than float32.
        using DeviceMatrix<float> c = product();
        Compare.RelativeError(c.ToArray(), ReferenceOperators.Multiply(a, b)).Should().BeLessThan(5e-4);
    }

    [TestCase(8, 4, 1, 1, 1)]
    [TestCase(16, 8, 7, 2, 3)]
    [TestCase(8, 16, 100, 3, 2)]
    public void Every_plan_gives_the_same_product(int tileM, int tileN, int tileK, int groupM, int stages)
    {
        var random = new Random(17);
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 19 * 150), 19, 150, QuantizationScheme.Fp8TokenGroup128);
        QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 37 * 150), 37, 150, QuantizationScheme.Fp8Block128);
        float[] usual = CheckProduct(a, b, "usual plan", Portable);
        var other = new TilePlanOverrides { TileM = tileM, TileN = tileN, TileK = tileK, GroupM = groupM, Stages = stages };
        CheckProduct(a, b, "overridden plan", other).Should().Equal(usual, "portable kernels sum along K in one order, whatever the tiles");
    }

    [TestCase(float.NaN, 0x7FC00000)]
    [TestCase(float.PositiveInfinity, 0x7F800000)]
    [TestCase(float.NegativeInfinity, 0x7F800000)]
    public void A_block_that_is_not_finite_is_not_a_number(float planted, int scaleBits)
    {
        float[] x = Enumerable.Range(0, 256).Select(i => (float)i).ToArray();
        x[5] = planted;
        using DeviceMatrix<float> source = Device.Upload<float>(x, 1, 256);
        using QuantizedDeviceMatrix<Float8E4M3> found = Device.Fp8.Quantize(source, QuantizationScheme.Fp8TokenGroup128);
        Float8E4M3[] codes = found.Codes.ToArray();
        float[] scales = found.Scales.ToArray();
        BitConverter.SingleToInt32Bits(scales[0]).Should().Be(scaleBits);
        codes.Take(128).Should().OnlyContain(code => code.Bits == 0x7F);
        scales[1].Should().Be(255f * (1f / 448f));
        codes.Skip(128).Should().NotContain(code => Float8E4M3.IsNaN(code));
    }

    [Test]
    public void Dequantized_values_are_code_times_scale()
    {
        var random = new Random(23);
        QuantizedMatrix q = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 50 * 300), 50, 300, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<Float8E4M3> source = Device.Upload<Float8E4M3>(q);
        using DeviceMatrix<float> found = Device.Fp8.Dequantize<float>(source);
        found.ToArray().Should().Equal(Array.ConvertAll(ReferenceOperators.Dequantize(q), value => (float)value));
        using DeviceMatrix<BFloat16> narrow = Device.Fp8.Dequantize<BFloat16>(source);
        narrow.ToArray().Should().Equal(Array.ConvertAll(ReferenceOperators.Dequantize(q), value => BFloat16.FromSingle((float)value)));
    }

    private static float[] CheckProduct(QuantizedMatrix a, QuantizedMatrix b, string name, TilePlanOverrides? overrides = null)
    {
        using QuantizedDeviceMatrix<Float8E4M3> activations = Device.Upload<Float8E4M3>(a);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Upload<Float8E4M3>(b);
        using DeviceMatrix<float> c = Device.Fp8.Multiply<float>(activations, weights, overrides);
        float[] found = c.ToArray();
        Compare.RelativeError(found, ReferenceOperators.Multiply(a, b)).Should().BeLessThan(1e-5, name);
        return found;
    }

    private sealed record Product(int M, int N, int K, int ActivationBlock, BlockShape WeightBlock, int Seed)
    {
        public QuantizationScheme ActivationScheme => new(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, ActivationBlock));

        public QuantizationScheme WeightScheme => new(ElementFormat.Float8E4M3, ScaleGranularity.Block, WeightBlock);
    }
}
