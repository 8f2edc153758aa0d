using BlockQuant.Host;
using BlockQuant.Reference;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Host;

/// <summary>Host products against the float64 reference, on vectors of every width.</summary>
[TestFixture(VectorWidth.Bits128)]
[TestFixture(VectorWidth.Bits256)]
[TestFixture(VectorWidth.Bits512)]
internal sealed class HostMultiplicationTests(VectorWidth width)
{
    private const int Rounds = 40;

    [Test]
    public void Products_of_any_shape_and_blocks_and_shard_are_those_of_the_reference([Values] ElementFormat format)
    {
        for (int seed = 0; seed < Rounds; seed++)
        {
            var random = new Random(seed);
            (int m, int n, int k) = (random.Next(1, seed % 4 == 0 ? 300 : 30), random.Next(1, 80), random.Next(1, 400));
            QuantizedMatrix a = Matrix(random, m, k, format, ScaleGranularity.TokenGroup, new BlockShape(1, random.Next(1, 200)));
            QuantizedMatrix b = Matrix(random, n, k, format, ScaleGranularity.Block, new BlockShape(random.Next(1, 150), random.Next(1, 200)));
            Check(a, b, RandomData.Normal(random, n), $"seed {seed}: {m} x {n} x {k}");
        }
    }

    [TestCase(ScaleGranularity.Token, ScaleGranularity.Channel)]
    [TestCase(ScaleGranularity.Tensor, ScaleGranularity.Tensor)]
    public void Products_of_any_granularity_are_those_of_the_reference(ScaleGranularity activations, ScaleGranularity weights)
    {
        var random = new Random(2);
        Check(
            Matrix(random, 20, 700, ElementFormat.Float8E4M3, activations, new BlockShape(1, 128)),
            Matrix(random, 33, 700, ElementFormat.Float8E4M3, weights, new BlockShape(1, 128)),
            [],
            $"{activations} x {weights}");
    }

    [Test]
    public void Int8_products_of_integer_scales_are_exact_for_few_and_many_rows([Values(3, 40)] int m)
    {
        var random = new Random(3);
        QuantizedMatrix a = Codes(random, m, 384, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix b = Codes(random, 50, 384, QuantizationScheme.Int8Block128);
        var found = new float[m * 50];
        HostMultiplication.Multiply<float>(a, b, found, default, width);
        found.Should().Equal(Array.ConvertAll(ReferenceOperators.Multiply(a, b), value => (float)value));
    }

    [Test]
    public void A_row_does_not_depend_on_the_others_nor_a_column_on_its_place([Values(5, 60)] int m)
    {
        var random = new Random(4);
        const int K = 300;
        QuantizedMatrix a = Matrix(random, m, K, ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, 128));
        QuantizedMatrix b = Matrix(random, 70, K, ElementFormat.Float8E4M3, ScaleGranularity.Channel, default);
        var whole = new float[m * 70];
        HostMultiplication.Multiply<float>(a, b, whole, default, width);
        var tail = new QuantizedMatrix(b.Codes[(13 * K)..], 57, K, b.Scales[13..], b.Scheme);
        var part = new float[m * 57];
        HostMultiplication.Multiply<float>(a, tail, part, default, width);
        byte[] changed = a.Codes.ToArray();
        changed.AsSpan(0, K).Fill(0x7F);
        var alone = new float[m * 70];
        HostMultiplication.Multiply<float>(new QuantizedMatrix(changed, m, K, a.Scales, a.Scheme, a.ScaleRowOffset, a.ScaleColumnOffset), b, alone, default, width);
        for (int row = 0; row < m; row++)
        {
            part.AsSpan(row * 57, 57).SequenceEqual(whole.AsSpan(row * 70 + 13, 57)).Should().BeTrue($"row {row}");
            alone.AsSpan(row * 70, 70).SequenceEqual(whole.AsSpan(row * 70, 70)).Should().Be(row > 0, $"row {row}");
        }

        alone.AsSpan(0, 70).ToArray().Should().OnlyContain(value => float.IsNaN(value));
    }

    [Test]
    public void One_row_alone_is_that_row_of_a_batch([Values] ElementFormat format)
        => Prop.ForAll(
            ArbMap.Default.ArbFor<int>(),
            seed =>
            {
                // Whole granules of depth, which one row alone takes in registers, and other depths.
                var random = new Random(seed);
                int k = random.Next(1, 7) * 64 + (random.Next(4) == 0 ? random.Next(64) : 0);
                int n = random.Next(1, 90);
                QuantizedMatrix a = AlignedMatrix(random, 5, k, new QuantizationScheme(format, ScaleGranularity.TokenGroup, new BlockShape(1, 64 * random.Next(1, 4))));
                QuantizedMatrix b = AlignedMatrix(random, n, k, new QuantizationScheme(format, ScaleGranularity.Block, new BlockShape(32, 64 * random.Next(1, 4))));
                var batch = new float[5 * n];
                HostMultiplication.Multiply<float>(a, b, batch, default, width);
                var first = new QuantizedMatrix(a.Codes[..k], 1, k, a.Scales[..(int)a.ScaleColumns], a.Scheme);
                var alone = new float[n];
                HostMultiplication.Multiply<float>(first, b, alone, default, width);
                alone.AsSpan().SequenceEqual(batch.AsSpan(0, n)).Should().BeTrue($"{n} x {k}");
            }).Check(Properties.Cases(60));

    [Test]
    public void A_few_rows_are_those_of_many([Values] ElementFormat format, [Range(2, 9)] int m)
    {
        // Whole granules of depth, which a few rows of FP8 take in registers; columns that fill no group.
        var random = new Random(m);
        const int K = 448;
        const int Many = 20;
        int n = 64 + random.Next(1, 9);
        QuantizedMatrix a = AlignedMatrix(random, Many, K, new QuantizationScheme(format, ScaleGranularity.TokenGroup, new BlockShape(1, 128)));
        QuantizedMatrix b = AlignedMatrix(random, n, K, new QuantizationScheme(format, ScaleGranularity.Block, new BlockShape(32, 192)));
        var all = new float[Many * n];
        HostMultiplication.Multiply<float>(a, b, all, default, width);
        var few = new float[m * n];
        HostMultiplication.Multiply<float>(new QuantizedMatrix(a.Codes[..(m * K)], m, K, a.Scales[..(m * (int)a.ScaleColumns)], a.Scheme), b, few, default, width);
        few.AsSpan().SequenceEqual(all.AsSpan(0, m * n)).Should().BeTrue();
    }

    [Test]
    public void An_empty_depth_gives_the_bias_and_an_empty_output_nothing([Values] ElementFormat format, [Values(1, 2, 20)] int m)
    {
        QuantizationScheme token = new(format, ScaleGranularity.Token), channel = new(format, ScaleGranularity.Channel);
        var empty = new QuantizedMatrix(default, m, 0, new float[m], token);
        var weights = new QuantizedMatrix(default, 3, 0, new float[3], channel);
        var found = new BFloat16[m * 3];
        HostMultiplication.Multiply<BFloat16>(empty, weights, found, [1f, 2f, 3f], width);
        found.Should().Equal(Enumerable.Range(0, m * 3).Select(i => (BFloat16)(i % 3 + 1f)));
        HostMultiplication.Multiply<float>(empty, new QuantizedMatrix(default, 0, 0, default, channel), [], default, width);
    }

    [Test]
    public void A_wrong_shape_format_bias_or_element_type_is_named()
    {
        var random = new Random(5);
        QuantizedMatrix a = Codes(random, 2, 8, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix b = Codes(random, 3, 8, QuantizationScheme.Int8Block128);
        Fails(() => HostMultiplication.Multiply<float>(a, Codes(random, 3, 9, b.Scheme), new float[6], default, width), "weights: shape [3, 9]; expected [N, 8]*");
        Fails(() => HostMultiplication.Multiply<float>(a, Codes(random, 3, 8, QuantizationScheme.Fp8Block128), new float[6], default, width), "weights: format *");
        Fails(() => HostMultiplication.Multiply<float>(a, b, new float[5], default, width), "output: length 5; expected 2 x 3.*");
        Fails(() => HostMultiplication.Multiply<float>(a, b, new float[6], new float[2], width), "bias: length 2; expected 3.*");
        Fails(() => HostMultiplication.Multiply<int>(a, b, new int[6], default, width), "output: element type Int32; *");
    }

    private static void Fails(Action action, string message) => action.Should().Throw<ArgumentException>().WithMessage(message);

    private static QuantizedMatrix Matrix(Random random, int rows, int columns, ElementFormat format, ScaleGranularity granularity, BlockShape block)
    {
        var scheme = new QuantizationScheme(format, granularity, block);
        bool blocks = granularity is ScaleGranularity.TokenGroup or ScaleGranularity.Block;
        int rowOffset = blocks ? random.Next(block.Rows) : 0;
        int columnOffset = blocks ? random.Next(block.Columns) : 0;
        float[] x = RandomData.Normal(random, rows * columns);
        return format == ElementFormat.Float8E4M3
            ? ReferenceOperators.QuantizeFp8(x, rows, columns, scheme, rowOffset, columnOffset)
            : ReferenceOperators.QuantizeInt8(x, rows, columns, scheme, RoundingMode.Nearest, rowOffset, columnOffset);
    }

    /// <summary>A quantized matrix of normal values, one of them NaN, that begins with whole blocks.</summary>
    private static QuantizedMatrix AlignedMatrix(Random random, int rows, int columns, QuantizationScheme scheme)
    {
        float[] x = RandomData.Normal(random, rows * columns);
        x[^1] = float.NaN;
        return scheme.Format == ElementFormat.Float8E4M3
            ? ReferenceOperators.QuantizeFp8(x, rows, columns, scheme)
            : ReferenceOperators.QuantizeInt8(x, rows, columns, scheme);
    }

    /// <summary>Random codes and small whole scales.</summary>
    private static QuantizedMatrix Codes(Random random, int rows, int columns, QuantizationScheme scheme)
    {
        byte[] codes = new byte[rows * columns];
        random.NextBytes(codes);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        return new QuantizedMatrix(codes, rows, columns, Enumerable.Range(0, (int)(scaleRows * scaleColumns)).Select(i => i % 3 + 1f).ToArray(), scheme);
    }

    private void Check(QuantizedMatrix a, QuantizedMatrix b, float[] bias, string name)
    {
        var found = new float[a.Rows * b.Rows];
        HostMultiplication.Multiply<float>(a, b, found, bias, width);
        Compare.RelativeError(found, ReferenceOperators.Multiply(a, b, bias)).Should().BeLessThan(1e-5, name);
        var halves = new Half[found.Length];
        HostMultiplication.Multiply<Half>(a, b, halves, bias, width);
        halves.Should().Equal(Array.ConvertAll(found, value => (Half)value), name);
    }
}
