using BlockQuant.Host;
using BlockQuant.Reference;

namespace BlockQuant.Tests.Host;

/// <summary>The host quantizers against the reference: equal, bit for bit, on vectors of every width.</summary>
[TestFixture(VectorWidth.Bits128)]
[TestFixture(VectorWidth.Bits256)]
[TestFixture(VectorWidth.Bits512)]
internal sealed class HostQuantizationTests(VectorWidth width)
{
    private const int Rounds = 60;

    [Test]
    public void Codes_and_scales_of_any_scheme_and_shape_are_those_of_the_reference()
    {
        for (int seed = 0; seed < Rounds; seed++)
        {
            var random = new Random(seed);
            (int rows, int columns) = (random.Next(1, 90), random.Next(1, 400));
            float[] x = Heavy(random, rows * columns);
            QuantizationScheme scheme = AnyScheme(random);
            var rounding = (RoundingMode)random.Next(2);
            string name = $"seed {seed}: [{rows}, {columns}] {scheme} {rounding}";
            Check(x, rows, columns, scheme, rounding, name);
            Check(Array.ConvertAll(x, BFloat16.FromSingle), rows, columns, scheme, rounding, name);
            Check(Array.ConvertAll(x, value => (Half)value), rows, columns, scheme, rounding, name);
        }
    }

    [TestCase(ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.Block)]
    public void A_matrix_of_many_chunks_is_that_of_the_reference(ScaleGranularity granularity)
    {
        var random = new Random(1);
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, granularity, new BlockShape(128, 128));
        Check(RandomData.Normal(random, 515 * 1031), 515, 1031, scheme, RoundingMode.Nearest, "many chunks");
    }

    [Test]
    public void Zero_and_not_finite_blocks_are_those_of_the_reference([Values] ElementFormat format, [Values] ScaleGranularity granularity)
    {
        var scheme = new QuantizationScheme(format, granularity, new BlockShape(1, 40));
        foreach (float planted in new[] { 0f, -0f, float.NaN, float.NegativeInfinity, float.PositiveInfinity, 1e-40f })
        {
            float[] x = new float[4 * 130];
            x[45] = planted;
            x[200] = 3f;
            Check(x, 4, 130, scheme, RoundingMode.ReferenceCompatible, $"{planted}");
        }
    }

    [Test]
    public void A_wrong_length_or_element_type_or_overlap_is_named()
    {
        float[] x = new float[6];
        Action shortCodes = () => HostQuantization.Quantize<float>(x, 2, 3, QuantizationScheme.Fp8Tensor, new byte[5], new float[1], default, width);
        shortCodes.Should().Throw<ArgumentException>().WithMessage("codes: length 5; expected 2 x 3.*");
        Action scales = () => HostQuantization.Quantize<float>(x, 2, 3, QuantizationScheme.Fp8Token, new byte[6], new float[1], default, width);
        scales.Should().Throw<ArgumentException>().WithMessage("scales: length 1; expected 2 x 1.*");
        Action source = () => HostQuantization.Quantize<float>(x, 2, 4, QuantizationScheme.Fp8Tensor, new byte[8], new float[1], default, width);
        source.Should().Throw<ArgumentException>().WithMessage("source: length 6; expected 2 x 4.*");
        Action element = () => HostQuantization.Dequantize(new byte[6], new float[1], 2, 3, QuantizationScheme.Fp8Tensor, new double[6], width);
        element.Should().Throw<ArgumentException>().WithMessage("output: element type Double;*");
        Action overlap = () => HostQuantization.Dequantize(new byte[6], x.AsSpan(0, 1), 2, 3, QuantizationScheme.Fp8Tensor, x.AsSpan(), width);
        overlap.Should().Throw<ArgumentException>().WithMessage("output: overlaps scales;*");
    }

    private static QuantizationScheme AnyScheme(Random random) => new(
        (ElementFormat)random.Next(2), (ScaleGranularity)random.Next(5), new BlockShape(random.Next(1, 40), random.Next(1, 200)));

    /// <summary>Normal values times powers of two, so that codes are normal, subnormal and zero.</summary>
    private static float[] Heavy(Random random, int count)
        => Array.ConvertAll(RandomData.Normal(random, count), value => value * MathF.Pow(2, -random.Next(20)));

    private void Check<T>(T[] source, int rows, int columns, QuantizationScheme scheme, RoundingMode rounding, string name)
        where T : unmanaged
    {
        float[] x = Array.ConvertAll(source, value => value switch
        {
            float single => single,
            BFloat16 bfloat16 => bfloat16.ToSingle(),
            Half half => (float)half,
            _ => throw new NotSupportedException(),
        });
        QuantizedMatrix expected = scheme.Format == ElementFormat.Float8E4M3
            ? ReferenceOperators.QuantizeFp8(x, rows, columns, scheme)
            : ReferenceOperators.QuantizeInt8(x, rows, columns, scheme, rounding);
        byte[] codes = new byte[rows * columns];
        float[] scales = new float[expected.Scales.Length];
        HostQuantization.Quantize<T>(source, rows, columns, scheme, codes, scales, rounding, width);
        codes.AsSpan().SequenceEqual(expected.Codes.Span).Should().BeTrue(name);
        Bits(scales).Should().Equal(Bits(expected.Scales.ToArray()), name);

        double[] values = ReferenceOperators.Dequantize(expected);
        var singles = new float[codes.Length];
        HostQuantization.Dequantize<float>(codes, scales, rows, columns, scheme, singles, width);
        singles.AsSpan().SequenceEqual(Array.ConvertAll(values, value => (float)value)).Should().BeTrue(name);
        var halves = new Half[codes.Length];
        HostQuantization.Dequantize<Half>(codes, scales, rows, columns, scheme, halves, width);
        halves.AsSpan().SequenceEqual(Array.ConvertAll(singles, value => (Half)value)).Should().BeTrue(name);
        var bfloat16s = new BFloat16[codes.Length];
        HostQuantization.Dequantize<BFloat16>(codes, scales, rows, columns, scheme, bfloat16s, width);
        bfloat16s.AsSpan().SequenceEqual(Array.ConvertAll(singles, BFloat16.FromSingle)).Should().BeTrue(name);
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}
