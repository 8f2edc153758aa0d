using BlockQuant.Host;
using BlockQuant.Reference;

namespace BlockQuant.Tests.Host;

/// <summary>Groups of 128 bfloat16, which a table encodes where vectors are widest: the reference's codes and scales, bit for bit.</summary>
internal sealed class BFloat16GroupsTests
{
    private const int Group = 128;
    private const int Significands = 128;
    private const byte Untouched = 0xEE;

    private static readonly QuantizationScheme[] Schemes =
    [
        QuantizationScheme.Fp8TokenGroup128,
        QuantizationScheme.Int8TokenGroup128,
        QuantizationScheme.Fp8Block128,
        QuantizationScheme.Int8Block128,
        QuantizationScheme.Fp8Tensor,
        new(ElementFormat.Int8, ScaleGranularity.Tensor),
    ];

    [Test]
    public void Every_magnitude_beside_every_largest_one_has_the_codes_of_the_reference()
    {
        // Exponents of the least scale and beyond, of large numbers, and one between them.
        int[] exponents = [1, 63, 64, 94, 95, 96, 127, 253, 254];
        foreach (int exponent in exponents)
        {
            for (int significand = 0; significand < Significands; significand++)
            {
                Check(Below(exponent * Significands + significand), $"largest {exponent}, {significand}");
            }
        }
    }

    [Test]
    public unsafe void Every_bfloat16_has_its_code_under_a_given_scale_that_may_be_too_small_for_it([Values(1.5f, 448f, 3e38f, 0.1f)] float largest)
    {
        BFloat16[] x = Enumerable.Range(0, 1 << 16).Select(bits => BFloat16.FromBits((ushort)bits)).ToArray();
        byte[] codes = new byte[x.Length];
        fixed (BFloat16* source = x)
        fixed (byte* target = codes)
        {
            float scale = BFloat16.FromSingle(largest).ToSingle() * (1f / 448f);
            HostQuantizer.Of(HostElementKind.BFloat16, HostFormatKind.Float8, HostVectors.Widest).QuantizeWithScale((byte*)source, target, x.Length, scale);
            codes.Should().Equal(Array.ConvertAll(x, value => HostFloat8.EncodeAny(value.ToSingle() / scale)));
            scale = BFloat16.FromSingle(largest).ToSingle() * (1f / 127f);
            HostQuantizer.Of(HostElementKind.BFloat16, HostFormatKind.Int8Truncated, HostVectors.Widest).QuantizeWithScale((byte*)source, target, x.Length, scale);
            codes.Should().Equal(Array.ConvertAll(x, value => HostInt8Truncated.EncodeAny(value.ToSingle() / scale)));
        }
    }

    [TestCase(0x0000)]
    [TestCase(0x8001)]
    [TestCase(0x7F80)]
    [TestCase(0xFF80)]
    [TestCase(0x7FC1)]
    [TestCase(0xFF81)]
    public void A_group_of_zeros_or_with_what_is_not_finite_is_that_of_the_reference(int bits)
    {
        var x = new BFloat16[3 * Group];
        Array.Fill(x, BFloat16.FromSingle(1.5f), 0, Group);
        Array.Fill(x, BFloat16.FromSingle(-0.25f), 2 * Group, Group);
        x[Group + 77] = BFloat16.FromBits((ushort)bits);
        Check(x, $"{bits:X4}");
    }

    [Test]
    public void Lines_past_the_caches_hold_the_codes_of_any_address([Values(0, 1, 15, 63)] int offset, [Range(0, 5)] int schemeIndex)
    {
        const int Rows = 2048;
        const int Columns = 65 * Group + 3;
        const int Around = 64;
        LineStream.IsWorthwhile((long)Rows * Columns).Should().BeTrue();
        var random = new Random(1);
        var row = new BFloat16[Columns];
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = BFloat16.FromSingle((random.NextSingle() - 0.5f) * MathF.Pow(2, -random.Next(12)));
        }

        var x = new BFloat16[Rows * Columns];
        for (int r = 0; r < Rows; r++)
        {
            row.CopyTo(x, r * Columns);
        }

        QuantizationScheme scheme = Schemes[schemeIndex];
        (byte[] expected, float[] scales) = Quantize(row, 1, scheme);
        byte[] codes = new byte[x.Length + 3 * Around];
        Array.Fill(codes, Untouched);
        offset += Around;
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(Rows, Columns);
        var found = new float[scaleRows * scaleColumns];
        HostQuantization.Quantize<BFloat16>(x, Rows, Columns, scheme, codes.AsSpan(offset, x.Length), found);
        for (int r = 0; r < Rows; r++)
        {
            codes.AsSpan(offset + r * Columns, Columns).SequenceEqual(expected).Should().BeTrue($"row {r}");
        }

        for (int r = 0; r < scaleRows; r++)
        {
            found.AsSpan(r * scales.Length, scales.Length).SequenceEqual(scales).Should().BeTrue($"scales of row {r}");
        }

        codes.AsSpan(0, offset).IndexOfAnyExcept(Untouched).Should().Be(-1);
        codes.AsSpan(offset + x.Length).IndexOfAnyExcept(Untouched).Should().Be(-1);
    }

    /// <summary>Groups with a largest magnitude and all that are less, down to where codes are long zero; signs alternate.</summary>
    private static BFloat16[] Below(int largest)
    {
        int least = Math.Max(0, largest - 26 * Significands);
        int groups = (largest - least) / (Group - 1) + 1;
        var x = new BFloat16[groups * Group];
        for (int i = 0; i < x.Length; i++)
        {
            int magnitude = i % Group == i / Group ? largest : Math.Max(0, largest - i / Group * (Group - 1) - i % Group);
            x[i] = BFloat16.FromBits((ushort)(magnitude | (i % 2 << 15)));
        }

        return x;
    }

    private static void Check(BFloat16[] x, string name)
    {
        float[] values = Array.ConvertAll(x, value => value.ToSingle());
        foreach (QuantizationScheme scheme in Schemes)
        {
            QuantizedMatrix expected = scheme.Format == ElementFormat.Float8E4M3
                ? ReferenceOperators.QuantizeFp8(values, 1, x.Length, scheme)
                : ReferenceOperators.QuantizeInt8(values, 1, x.Length, scheme, RoundingMode.ReferenceCompatible);
            (byte[] codes, float[] scales) = Quantize(x, 1, scheme);
            codes.AsSpan().SequenceEqual(expected.Codes.Span).Should().BeTrue($"{scheme.Format} {name}");
            Array.ConvertAll(scales, BitConverter.SingleToInt32Bits).Should()
                .Equal(Array.ConvertAll(expected.Scales.ToArray(), BitConverter.SingleToInt32Bits), $"{scheme.Format} {name}");
        }
    }

    private static (byte[] Codes, float[] Scales) Quantize(BFloat16[] x, int rows, QuantizationScheme scheme)
    {
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, x.Length / rows);
        var found = (Codes: new byte[x.Length], Scales: new float[scaleRows * scaleColumns]);
        HostQuantization.Quantize<BFloat16>(x, rows, x.Length / rows, scheme, found.Codes, found.Scales);
        return found;
    }
}
