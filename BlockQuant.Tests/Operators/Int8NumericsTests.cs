using BlockQuant.Reference;

namespace BlockQuant.Tests.Operators;

/// <summary>What the INT8 operators promise about single numbers: exact sums, both roundings, zero and non-finite blocks.</summary>
public sealed class Int8NumericsTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    [Test]
    public void The_deepest_block_sums_exactly()
    {
        const int M = 3;
        const int N = 5;
        const int K = 1024;
        var random = new Random(1);
        sbyte[] a = Codes(random, M * K);
        sbyte[] b = Codes(random, N * K);
        using QuantizedDeviceMatrix<sbyte> activations = Unscaled(a, M, K);
        using QuantizedDeviceMatrix<sbyte> weights = Unscaled(b, N, K);
        using DeviceMatrix<float> c = Device.Int8.Multiply<float>(activations, weights);
        float[] found = c.ToArray();
        bool odd = false;
        for (int m = 0; m < M; m++)
        {
            for (int n = 0; n < N; n++)
            {
                long sum = 0;
                for (int k = 0; k < K; k++)
                {
                    sum += a[m * K + k] * b[n * K + k];
                }

                sum.Should().BeGreaterThan(1 << 23);
                ((long)found[m * N + n]).Should().Be(sum);
                odd |= sum % 2 != 0;
            }
        }

        odd.Should().BeTrue("an odd sum above 2^23 has no spare bit");

        // Near the largest magnitude, so that the sums come close to 2^24.
        static sbyte[] Codes(Random random, int count) => Enumerable.Range(0, count).Select(_ => (sbyte)random.Next(-128, -125)).ToArray();
    }

    [Test]
    public void Rounding_to_nearest_halves_the_error()
    {
        float[] x = RandomData.Normal(new Random(2), 64 * 256);
        using DeviceMatrix<float> source = Device.Upload<float>(x, 64, 256);
        using DeviceMatrix<float> w = Device.Upload<float>(RandomData.Normal(new Random(3), 64 * 256), 64, 256);
        using QuantizedDeviceMatrix<sbyte> weights = Device.Int8.Quantize(w, QuantizationScheme.Int8Block128);
        using QuantizedDeviceMatrix<sbyte> activations = Device.Int8.Quantize(source, QuantizationScheme.Int8TokenGroup128);
        using DeviceMatrix<float> product = Device.Int8.Multiply<float>(activations, weights);
        Ratio(x, rounding => Device.Int8.Quantize(source, QuantizationScheme.Int8TokenGroup128, rounding)).Should().BeApproximately(0.5, 0.03);
        Ratio(product.ToArray(), rounding => Device.Int8.MultiplyQuantize(activations, weights, QuantizationScheme.Int8TokenGroup128, rounding))
            .Should().BeApproximately(0.5, 0.03);

        static double Ratio(float[] expected, Func<RoundingMode, QuantizedDeviceMatrix<sbyte>> quantize)
            => Error(RoundingMode.Nearest, expected, quantize) / Error(RoundingMode.ReferenceCompatible, expected, quantize);

        static double Error(RoundingMode rounding, float[] expected, Func<RoundingMode, QuantizedDeviceMatrix<sbyte>> quantize)
        {
            using QuantizedDeviceMatrix<sbyte> codes = quantize(rounding);
            using DeviceMatrix<float> back = Device.Int8.Dequantize<float>(codes);
            return Compare.RelativeError(back.ToArray(), expected);
        }
    }

    [TestCase(RoundingMode.ReferenceCompatible, new[] { 127, 0, 1, 2, -2, 126, -127, 0 })]
    [TestCase(RoundingMode.Nearest, new[] { 127, 0, 2, 2, -2, 127, -127, 0 })]
    public void Codes_are_rounded_toward_zero_or_to_even(RoundingMode rounding, int[] expected)
    {
        // The largest magnitude, 127, makes the scale 1, so the codes are the rounded values.
        float[] x = [127f, 0.5f, 1.5f, 2.5f, -2.5f, 126.75f, -127f, -0f];
        using DeviceMatrix<float> source = Device.Upload<float>(x, 1, x.Length);
        using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Quantize(source, QuantizationScheme.Int8TokenGroup128, rounding);
        found.Codes.ToArray().Select(code => (int)code).Should().Equal(expected);
    }

    [Test]
    public void A_zero_block_has_zero_codes_and_a_finite_scale()
    {
        using DeviceMatrix<float> x = Device.Upload<float>(new float[2 * 200], 2, 200);
        using QuantizedDeviceMatrix<sbyte> a = Device.Int8.Quantize(x, QuantizationScheme.Int8TokenGroup128);
        using QuantizedDeviceMatrix<sbyte> c = Device.Int8.MultiplyQuantize(a, a, QuantizationScheme.Int8TokenGroup128);
        using QuantizedDeviceMatrix<sbyte> y = Device.Int8.Gelu(a, QuantizationScheme.Int8TokenGroup128);
        a.Scales.ToArray().Should().OnlyContain(scale => scale == 1e-12f);
        foreach (QuantizedDeviceMatrix<sbyte> output in (ReadOnlySpan<QuantizedDeviceMatrix<sbyte>>)[c, y])
        {
            output.Scales.ToArray().Should().OnlyContain(scale => scale == 1e-8f);
            output.Codes.ToArray().Should().OnlyContain(code => code == 0);
        }
    }

    [TestCase(float.NaN, 0x7FC00000)]
    [TestCase(float.PositiveInfinity, 0x7F800000)]
    [TestCase(float.NegativeInfinity, 0x7F800000)]
    public void A_block_that_is_not_finite_has_zero_codes_and_says_so_in_its_scale(float planted, int scaleBits)
    {
        float[] x = Enumerable.Range(0, 256).Select(i => (float)i).ToArray();
        x[5] = planted;
        foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
        {
            using DeviceMatrix<float> source = Device.Upload<float>(x, 1, 256);
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Quantize(source, QuantizationScheme.Int8TokenGroup128, rounding);
            float[] scales = found.Scales.ToArray();
            BitConverter.SingleToInt32Bits(scales[0]).Should().Be(scaleBits);
            scales[1].Should().Be(255f * (1f / 127f));
            found.Codes.ToArray().Take(128).Should().OnlyContain(code => code == 0);
            found.Codes.ToArray().Skip(128).Should().OnlyContain(code => code > 0);
        }
    }

    [Test]
    public void Not_a_number_passes_through_the_fused_outputs_of_its_row_alone()
    {
        var random = new Random(4);
        float[] x = RandomData.Normal(random, 3 * 128);
        x[128 + 7] = float.NaN;
        using DeviceMatrix<float> source = Device.Upload<float>(x, 3, 128);
        using DeviceMatrix<float> w = Device.Upload<float>(RandomData.Normal(random, 40 * 128), 40, 128);
        using QuantizedDeviceMatrix<sbyte> a = Device.Int8.Quantize(source, QuantizationScheme.Int8TokenGroup128);
        using QuantizedDeviceMatrix<sbyte> b = Device.Int8.Quantize(w, QuantizationScheme.Int8Block128);
        using QuantizedDeviceMatrix<sbyte> c = Device.Int8.MultiplyQuantize(a, b, QuantizationScheme.Int8TokenGroup128);
        using QuantizedDeviceMatrix<sbyte> y = Device.Int8.Gelu(c, QuantizationScheme.Int8TokenGroup128);
        foreach (QuantizedDeviceMatrix<sbyte> output in (ReadOnlySpan<QuantizedDeviceMatrix<sbyte>>)[c, y])
        {
            output.Scales.ToArray().Select(float.IsFinite).Should().Equal(true, false, true);
            BitConverter.SingleToInt32Bits(output.Scales.ToArray()[1]).Should().Be(0x7FC00000);
            output.Codes.ToArray().Skip(40).Take(40).Should().OnlyContain(code => code == 0);
            output.Codes.ToArray().Should().Contain(code => code != 0);
        }
    }

    [Test]
    public void Batch_dimensions_are_rows()
    {
        const int Batch = 3;
        const int M = 5;
        const int N = 20;
        const int K = 150;
        var random = new Random(6);
        QuantizedMatrix a = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, Batch * M * K), Batch * M, K, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix b = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, N * K), N, K, QuantizationScheme.Int8Block128);
        using QuantizedDeviceMatrix<sbyte> all = Device.Upload<sbyte>(a);
        using QuantizedDeviceMatrix<sbyte> weights = Device.Upload<sbyte>(b);
        using DeviceMatrix<Half> whole = Device.Int8.Multiply(all, weights);
        using var found = new DeviceMatrix<Half>(Device, M, N);
        for (int i = 0; i < Batch; i++)
        {
            // [i] of codes [Batch, M, K] and scales [Batch, M, 2].
            var codes = new MatrixView<sbyte>(all.Codes.View.Data.SubView(i * M * K, M * K), M, K);
            var scales = new MatrixView<float>(all.Scales.View.Data.SubView(i * M * 2, M * 2), M, 2);
            Device.Int8.Multiply(new QuantizedView<sbyte>(codes, scales, QuantizationScheme.Int8TokenGroup128), weights.View, found.View);
            found.ToArray().Should().Equal(whole.ToArray()[(i * M * N)..((i + 1) * M * N)]);
        }
    }

    [Test]
    public void Outputs_of_half_precision_are_the_float32_output_rounded()
    {
        var random = new Random(8);
        QuantizedMatrix a = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, 7 * 200), 7, 200, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix b = ReferenceOperators.QuantizeInt8(RandomData.Normal(random, 30 * 200), 30, 200, QuantizationScheme.Int8Block128);
        using QuantizedDeviceMatrix<sbyte> activations = Device.Upload<sbyte>(a);
        using QuantizedDeviceMatrix<sbyte> weights = Device.Upload<sbyte>(b);
        using DeviceBuffer<float> bias = Device.Upload<float>(RandomData.Normal(random, 30));
        using DeviceMatrix<float> exact = Device.Int8.MultiplyAdd<float>(activations, weights, bias);
        using DeviceMatrix<Half> half = Device.Int8.MultiplyAdd(activations, weights, bias);
        using DeviceMatrix<BFloat16> brain = Device.Int8.MultiplyAdd<BFloat16>(activations, weights, bias);
        half.ToArray().Should().Equal(Array.ConvertAll(exact.ToArray(), value => (Half)value));
        brain.ToArray().Should().Equal(Array.ConvertAll(exact.ToArray(), BFloat16.FromSingle));
    }

    [Test]
    public void A_weight_shard_may_start_inside_a_scale_block()
    {
        const int N = 300;
        const int K = 200;
        var random = new Random(9);
        using QuantizedDeviceMatrix<sbyte> weight = Device.Upload<sbyte>(
            ReferenceOperators.QuantizeInt8(RandomData.Normal(random, N * K), N, K, QuantizationScheme.Int8Block128));
        using QuantizedDeviceMatrix<sbyte> activations = Device.Upload<sbyte>(
            ReferenceOperators.QuantizeInt8(RandomData.Normal(random, 5 * K), 5, K, QuantizationScheme.Int8TokenGroup128));
        using DeviceMatrix<float> whole = Device.Int8.Multiply<float>(activations, weight);

        // Rows 70 to 169 of the weight: their first scale block began 70 rows earlier.
        var codes = new MatrixView<sbyte>(weight.Codes.View.Data.SubView(70L * K, 100L * K), 100, K);
        var scales = new MatrixView<float>(weight.Scales.View.Data.SubView(0, 2 * 2), 2, 2);
        var shard = new QuantizedView<sbyte>(codes, scales, QuantizationScheme.Int8Block128, scaleRowOffset: 70);
        using var part = new DeviceMatrix<float>(Device, 5, 100);
        using var quantized = new QuantizedDeviceMatrix<sbyte>(Device, 5, 100, QuantizationScheme.Int8TokenGroup128);
        Device.Int8.Multiply(activations.View, shard, part.View);
        Device.Int8.MultiplyQuantize(activations.View, shard, quantized.View);
        for (int m = 0; m < 5; m++)
        {
            part.ToArray()[(m * 100)..(m * 100 + 100)].Should().Equal(whole.ToArray()[(m * N + 70)..(m * N + 170)]);
        }

        using QuantizedDeviceMatrix<sbyte> expected = Device.Int8.Quantize(part, QuantizationScheme.Int8TokenGroup128);
        quantized.Codes.ToArray().Should().Equal(expected.Codes.ToArray());
    }

    [Test]
    public void The_view_tier_allocates_nothing_on_the_device()
    {
        using var x = new DeviceMatrix<Half>(Device, 3, 256);
        x.CopyFrom(new Half[3 * 256]);
        using var a = new QuantizedDeviceMatrix<sbyte>(Device, 3, 256, QuantizationScheme.Int8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<sbyte>(Device, 3, 256, QuantizationScheme.Int8Block128);
        using var c = new DeviceMatrix<Half>(Device, 3, 3);
        using var q = new QuantizedDeviceMatrix<sbyte>(Device, 3, 3, QuantizationScheme.Int8TokenGroup128);
        using var y = new QuantizedDeviceMatrix<sbyte>(Device, 3, 3, QuantizationScheme.Int8TokenGroup128);
        using DeviceBuffer<float> bias = Device.Upload<float>([1f, 2f, 3f]);
        long before = Device.AllocationCount;
        Device.Int8.Quantize(x.View, a.View);
        Device.Int8.Quantize(x.View, b.View);
        Device.Int8.Dequantize(a.View, x.View);
        Device.Int8.Multiply(a.View, b.View, c.View);
        Device.Int8.MultiplyAdd(a.View, b.View, bias.View, c.View);
        Device.Int8.MultiplyQuantize(a.View, b.View, q.View);
        Device.Int8.MultiplyAddQuantize(a.View, b.View, bias.View, q.View);
        Device.Int8.Gelu(q.View, y.View);
        Device.Synchronize();
        Device.AllocationCount.Should().Be(before);
    }

    private static QuantizedDeviceMatrix<sbyte> Unscaled(sbyte[] codes, int rows, int columns)
    {
        var matrix = new QuantizedDeviceMatrix<sbyte>(Device, rows, columns, QuantizationScheme.Int8TokenGroup128 with { Block = new BlockShape(1, columns) });
        matrix.Codes.CopyFrom(codes);
        matrix.Scales.CopyFrom(Enumerable.Repeat(1f, rows).ToArray());
        return matrix;
    }
}
