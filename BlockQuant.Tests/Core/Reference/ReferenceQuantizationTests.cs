using BlockQuant.Reference;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceQuantizationTests
{
    [Test]
    public void AnAllZeroBlockHasZeroCodesAndTheFloorAsItsScale()
    {
        QuantizedMatrix fp8 = ReferenceOperators.QuantizeFp8(new float[4], 2, 2, QuantizationScheme.Fp8TokenGroup128);
        QuantizedMatrix int8 = ReferenceOperators.QuantizeInt8(new float[4], 2, 2, QuantizationScheme.Int8TokenGroup128);

        fp8.Codes.ToArray().Should().Equal(0, 0, 0, 0);
        fp8.Scales.ToArray().Should().Equal(1e-12f, 1e-12f);
        int8.Codes.ToArray().Should().Equal(0, 0, 0, 0);
        int8.Scales.ToArray().Should().Equal(1e-12f, 1e-12f);
    }

    [Test]
    public void ABlockThatIsNotFiniteIsMarkedAndItsNeighboursAreNot()
    {
        float[] x = [1, float.NaN, float.PositiveInfinity, 2, 3, float.NegativeInfinity, 448, 1];
        QuantizedMatrix fp8 = ReferenceOperators.QuantizeFp8(x, 4, 2, QuantizationScheme.Fp8TokenGroup128);
        QuantizedMatrix int8 = ReferenceOperators.QuantizeInt8(x, 4, 2, QuantizationScheme.Int8TokenGroup128);

        fp8.Codes.ToArray().Should().Equal(0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7F, 0x7E, 0x38);
        Bits(fp8).Should().Equal(0x7FC0_0000, 0x7F80_0000, 0x7F80_0000, 0x3F80_0000);
        int8.Codes.ToArray()[..6].Should().Equal(0, 0, 0, 0, 0, 0);
        Bits(int8)[..3].Should().Equal(0x7FC0_0000, 0x7F80_0000, 0x7F80_0000);
    }

    [Test]
    public void NaNOutranksInfinityInABlock()
    {
        QuantizedMatrix block = ReferenceOperators.QuantizeFp8([float.PositiveInfinity, -float.NaN, float.NegativeInfinity], 1, 3, QuantizationScheme.Fp8Block128);

        Bits(block).Should().Equal(0x7FC0_0000);
    }

    [Test]
    public void Int8RoundsTowardZeroOrToTheNearest()
    {
        float[] x = [127, 1.5f, -1.75f, 2.5f, 0.9f, -127];

        QuantizedMatrix compatible = ReferenceOperators.QuantizeInt8(x, 1, 6, QuantizationScheme.Int8TokenGroup128);
        QuantizedMatrix nearest = ReferenceOperators.QuantizeInt8(x, 1, 6, QuantizationScheme.Int8TokenGroup128, RoundingMode.Nearest);

        ReferenceOperators.Dequantize(compatible).Should().Equal(127, 1, -1, 2, 0, -127);
        ReferenceOperators.Dequantize(nearest).Should().Equal(127, 2, -2, 2, 1, -127);
    }

    /// <summary>Each scheme's scale index, by a matrix whose element (r, c) lies alone in its block.</summary>
    [TestCase(ScaleGranularity.Tensor, 1)]
    [TestCase(ScaleGranularity.Channel, 5)]
    [TestCase(ScaleGranularity.Token, 5)]
    [TestCase(ScaleGranularity.TokenGroup, 15)]
    [TestCase(ScaleGranularity.Block, 9)]
    public void EveryGranularityScalesItsOwnElements(ScaleGranularity granularity, int scales)
    {
        float[] x = [.. Enumerable.Range(0, 35).Select(index => (float)(index * index + 1))];
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, granularity, granularity == ScaleGranularity.TokenGroup ? new(1, 3) : new(2, 3));

        QuantizedMatrix matrix = ReferenceOperators.QuantizeFp8(x, 5, 7, scheme);

        matrix.Scales.Length.Should().Be(scales);
        for (int row = 0; row < 5; row++)
        {
            for (int column = 0; column < 7; column++)
            {
                (int r, int c) = (row, column);
                float amax = Enumerable.Range(0, 35)
                    .Where(index => granularity switch
                    {
                        ScaleGranularity.Tensor => true,
                        ScaleGranularity.TokenGroup => index / 7 == r && index % 7 / 3 == c / 3,
                        ScaleGranularity.Block => index / 14 == r / 2 && index % 7 / 3 == c / 3,
                        _ => index / 7 == r,
                    })
                    .Max(index => x[index]);
                float scale = amax * (1f / 448f);
                double expected = (double)Float8E4M3.FromSingle(x[row * 7 + column] / scale).ToSingle() * scale;

                ReferenceOperators.Dequantize(matrix)[row * 7 + column].Should().Be(expected);
            }
        }
    }

    [Test]
    public void AShardQuantizedWithItsOffsetsKeepsTheBlocksOfTheWhole()
    {
        float[] whole = [.. Enumerable.Range(0, 60).Select(index => MathF.Sin(index) * index)];
        float[] shard = [.. whole.Where((_, index) => index / 10 >= 3 && index % 10 >= 4)];
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(2, 4));

        QuantizedMatrix cut = ReferenceOperators.QuantizeFp8(shard, 3, 6, scheme, scaleRowOffset: 1, scaleColumnOffset: 0);

        // Row 3 alone has the block that it shares with row 2 in the whole; rows 4 and 5 share the next.
        (cut.ScaleRows, cut.ScaleColumns).Should().Be((2L, 2L));
        cut.Scales.Span[0].Should().Be(whole[34..38].Max(MathF.Abs) * (1f / 448f));
        cut.Scales.Span[3].Should().Be(whole[48..50].Concat(whole[58..60]).Max(MathF.Abs) * (1f / 448f));
    }

    [Test]
    public void WhatDoesNotFitIsNamed()
    {
        Action format = () => ReferenceOperators.QuantizeFp8([1f], 1, 1, QuantizationScheme.Int8Block128);
        Action length = () => ReferenceOperators.QuantizeInt8([1f], 1, 2, QuantizationScheme.Int8Block128);
        Action rounding = () => ReferenceOperators.QuantizeInt8([1f], 1, 1, QuantizationScheme.Int8Block128, (RoundingMode)7);

        format.Should().Throw<ArgumentException>().WithMessage("scheme: format Int8; expected Float8E4M3.*");
        length.Should().Throw<ArgumentException>().WithMessage("x: length 1; expected 1 x 2.*");
        rounding.Should().Throw<ArgumentException>().WithMessage("rounding: 7; expected ReferenceCompatible or Nearest.*");
    }

    private static int[] Bits(QuantizedMatrix matrix) => Array.ConvertAll(matrix.Scales.ToArray(), BitConverter.SingleToInt32Bits);
}
