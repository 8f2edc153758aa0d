using BlockQuant.Host;

namespace BlockQuant.Tests.Host;

/// <summary>Codes that vectors decode 64 at once where they are widest: the product of every code and its scale, rounded once, bit for bit.</summary>
internal sealed class DecodedGroupsTests
{
    private const int Around = 64;
    private const byte Untouched = 0xEE;
    private const int CodeCount = 256;

    [Test]
    public void Every_code_under_any_scale_is_its_product()
    {
        float[] scales = Scales();
        byte[] codes = Enumerable.Range(0, scales.Length * CodeCount).Select(i => (byte)i).ToArray();
        Check(codes, scales, QuantizationScheme.Fp8Token, code => Float8Codec.Decode(code));
        Check(codes, scales, new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Token), code => (sbyte)code);
    }

    [Test]
    public void Lines_past_the_caches_hold_the_values_of_any_address([Values(0, 1, 31)] int offset, [Values] bool blocks)
    {
        Check<BFloat16>(HostElementKind.BFloat16, HostFormatKind.Float8, offset, blocks ? 128 : 1, 1200);
        Check<BFloat16>(HostElementKind.BFloat16, HostFormatKind.Int8Nearest, offset, blocks ? 128 : 1, 1200);
        Check<float>(HostElementKind.Float32, HostFormatKind.Float8, offset, blocks ? 128 : 1, 600);
    }

    /// <summary>Scales of every size, among them those around which no table is made, and what no quantizer writes.</summary>
    private static float[] Scales()
    {
        var random = new Random(1);
        IEnumerable<float> powers = Enumerable.Range(-149, 277).Select(exponent => MathF.ScaleB(1, exponent));
        IEnumerable<float> any = Enumerable.Range(0, 500).Select(_ => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)));
        IEnumerable<float> usual = Enumerable.Range(0, 2000).Select(_ => MathF.ScaleB(1 + random.NextSingle(), random.Next(-120, 120)));
        return [0f, -0f, -1f, float.NaN, float.PositiveInfinity, .. powers, .. powers.Select(MathF.BitIncrement), .. powers.Select(MathF.BitDecrement), .. any, .. usual];
    }

    private static void Check(byte[] codes, float[] scales, QuantizationScheme scheme, Func<byte, float> decode)
    {
        var values = new BFloat16[codes.Length];
        HostQuantization.Dequantize<BFloat16>(codes, scales, scales.Length, CodeCount, scheme, values);
        var singles = new float[codes.Length];
        HostQuantization.Dequantize<float>(codes, scales, scales.Length, CodeCount, scheme, singles);
        for (int i = 0; i < codes.Length; i++)
        {
            float product = decode(codes[i]) * scales[i / CodeCount];
            bool right = float.IsNaN(product)
                ? BFloat16.IsNaN(values[i]) && float.IsNaN(singles[i])
                : values[i].Bits == BFloat16.FromSingle(product).Bits && BitConverter.SingleToInt32Bits(singles[i]) == BitConverter.SingleToInt32Bits(product);
            if (!right)
            {
                Assert.Fail($"{scheme.Format} {codes[i]:X2} x {scales[i / CodeCount]:R}: {values[i].Bits:X4}, {singles[i]:R}; expected {product:R}");
            }
        }
    }

    private static unsafe void Check<T>(HostElementKind element, HostFormatKind format, int offset, int blockRows, int rows)
        where T : unmanaged
    {
        // Columns that end within a vector of codes, and within a block.
        const int Columns = 7300;
        const int ScaleColumns = 58;
        LineStream.IsWorthwhile((long)rows * Columns * sizeof(T)).Should().BeTrue();
        int scaleRows = (rows + blockRows - 1) / blockRows;
        var grid = new ScaleGrid(rows, Columns, blockRows, 128, scaleRows, ScaleColumns);
        var random = new Random(1);
        float[] scales = Enumerable.Range(0, scaleRows * ScaleColumns).Select(_ => random.NextSingle()).ToArray();
        scales[3 * ScaleColumns + 5] = -1f;
        scales[4 * ScaleColumns + 6] = float.PositiveInfinity;
        byte[] codes = new byte[rows * Columns];
        random.NextBytes(codes);
        byte[] expected = Dequantize(VectorWidth.Bits128);
        Dequantize(VectorWidth.Bits512).AsSpan().SequenceEqual(expected).Should().BeTrue();

        byte[] Dequantize(VectorWidth width)
        {
            byte[] output = GC.AllocateArray<byte>((codes.Length + 3 * Around) * sizeof(T), pinned: true);
            output.AsSpan().Fill(Untouched);
            fixed (byte* source = codes)
            fixed (float* sourceScales = scales)
            fixed (byte* target = output)
            {
                HostQuantizer.Of(element, format, width).Dequantize(source, sourceScales, target + (Around + offset) * sizeof(T), grid);
            }

            return output;
        }
    }
}
