using BlockQuant.Host;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Host;

/// <summary>INT8 products on integer dot products: exact sums of at most 128 of K, scaled and added one after the other.</summary>
internal sealed class Int8ProductTests
{
    [Test]
    public void Each_total_adds_its_exact_sums_in_order([Values(VectorWidth.Bits256, VectorWidth.Bits512)] VectorWidth width)
        => Prop.ForAll(
            ArbMap.Default.ArbFor<int>(),
            seed =>
            {
                // Depths of whole granules, which one row takes as they lie in memory, and others; rows and columns that fill no group.
                var random = new Random(seed);
                (int m, int n) = (random.Next(1, 12), random.Next(1, 60));
                int k = random.Next(1, 6) * 64 + (random.Next(2) == 0 ? random.Next(64) : 0);
                QuantizedMatrix a = Codes(random, m, k, new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.TokenGroup, new BlockShape(1, Block(random))));
                QuantizedMatrix b = Codes(random, n, k, new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Block, new BlockShape(random.Next(1, 40), Block(random))));
                var found = new float[m * n];
                HostMultiplication.Multiply<float>(a, b, found, default, width);
                if (Int8Kernel.IsSupported)
                {
                    found.AsSpan().SequenceEqual(Expected(a, b)).Should().BeTrue($"{m} x {n} x {k}");
                }
            }).Check(Properties.Cases(80));

    [TestCase(-128, -128)]
    [TestCase(-128, 127)]
    [TestCase(127, -128)]
    [TestCase(127, 127)]
    public void The_largest_codes_do_not_saturate(int activation, int weight)
    {
        const int K = 384;
        foreach (int m in new[] { 1, 5 })
        {
            QuantizedMatrix a = Filled(m, K, (sbyte)activation, QuantizationScheme.Int8TokenGroup128);
            QuantizedMatrix b = Filled(30, K, (sbyte)weight, QuantizationScheme.Int8Block128);
            var found = new float[m * 30];
            HostMultiplication.Multiply<float>(a, b, found);
            found.Should().OnlyContain(value => value == K * activation * weight);
        }
    }

    /// <summary>Often a whole number of granules.</summary>
    private static int Block(Random random) => random.Next(2) == 0 ? 64 * random.Next(1, 4) : random.Next(1, 200);

    private static float[] Expected(QuantizedMatrix a, QuantizedMatrix b)
    {
        long k = a.Columns;
        var output = new float[a.Rows * b.Rows];
        for (int row = 0; row < a.Rows; row++)
        {
            for (int column = 0; column < b.Rows; column++)
            {
                float total = 0f;
                for (long begin = 0; begin < k;)
                {
                    long block = begin / a.Scheme.Block.Columns;
                    long weightBlock = begin / b.Scheme.Block.Columns;
                    long end = new[] { k, (block + 1) * a.Scheme.Block.Columns, (weightBlock + 1) * b.Scheme.Block.Columns, begin + 128 }.Min();
                    int sum = 0;
                    for (; begin < end; begin++)
                    {
                        sum += (sbyte)a.Codes.Span[(int)(row * k + begin)] * (sbyte)b.Codes.Span[(int)(column * k + begin)];
                    }

                    float scale = a.Scales.Span[(int)(row * a.ScaleColumns + block)]
                        * b.Scales.Span[(int)(column / b.Scheme.Block.Rows * b.ScaleColumns + weightBlock)];
                    total = MathF.FusedMultiplyAdd(sum, scale, total);
                }

                output[row * b.Rows + column] = total;
            }
        }

        return output;
    }

    private static QuantizedMatrix Codes(Random random, int rows, int columns, QuantizationScheme scheme)
    {
        byte[] codes = new byte[rows * columns];
        random.NextBytes(codes);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        float[] scales = Array.ConvertAll(new float[scaleRows * scaleColumns], _ => random.NextSingle());
        return new QuantizedMatrix(codes, rows, columns, scales, scheme);
    }

    private static QuantizedMatrix Filled(int rows, int columns, sbyte code, QuantizationScheme scheme)
    {
        byte[] codes = new byte[rows * columns];
        Array.Fill(codes, (byte)code);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        float[] scales = new float[scaleRows * scaleColumns];
        Array.Fill(scales, 1f);
        return new QuantizedMatrix(codes, rows, columns, scales, scheme);
    }
}
