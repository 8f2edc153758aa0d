using BlockQuant.Reference;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceDenseTests
{
    private static readonly QuantizationScheme Pairs = new(ElementFormat.Int8, ScaleGranularity.TokenGroup, new BlockShape(1, 2));

    [Test]
    public void AProductScalesEveryBlockOfK()
    {
        // [1, 2 | 3] with scales [10, 100] times [4, 5 | 6] with scales [1, 0.5].
        var a = new QuantizedMatrix(new byte[] { 1, 2, 3 }, 1, 3, new[] { 10f, 100f }, Pairs);
        var b = new QuantizedMatrix(new byte[] { 4, 5, 0xFA }, 1, 3, new[] { 1f, 0.5f }, Pairs);

        ReferenceOperators.Multiply(a, b).Should().Equal(10 * (4 + 10) - 50 * 18);
        ReferenceOperators.Multiply(a, b, [7f]).Should().Equal(10 * (4 + 10) - 50 * 18 + 7);
    }

    [Test]
    public void AShardMultipliesAsItsPartOfTheWhole()
    {
        var random = new Random(1);
        float[] weight = RandomData.Normal(random, 9 * 11);
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(4, 5));
        QuantizedMatrix whole = ReferenceOperators.QuantizeFp8(weight, 9, 11, scheme);
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 2 * 11), 2, 11, QuantizationScheme.Fp8TokenGroup128);

        // Rows 3 to 8: the first of them is the last of its scale block.
        var shard = new QuantizedMatrix(whole.Codes[(3 * 11)..], 6, 11, whole.Scales, scheme, scaleRowOffset: 3);

        double[] product = ReferenceOperators.Multiply(a, whole);
        ReferenceOperators.Multiply(a, shard).Should().Equal([.. product[3..9], .. product[12..18]]);
    }

    [Test]
    public void EmptyOperandsGiveEmptyOrZeroProducts()
    {
        var none = new QuantizedMatrix(default, 0, 3, default, Pairs);
        var flat = new QuantizedMatrix(default, 2, 0, default, Pairs);

        ReferenceOperators.Multiply(none, none).Should().BeEmpty();
        ReferenceOperators.Multiply(flat, flat).Should().Equal(0, 0, 0, 0);
    }

    [Test]
    public void WhatDoesNotFitIsNamed()
    {
        var a = new QuantizedMatrix(new byte[2], 1, 2, new float[1], Pairs);
        var b = new QuantizedMatrix(new byte[3], 1, 3, new float[2], Pairs);
        Action depth = () => ReferenceOperators.Multiply(a, b);
        Action bias = () => ReferenceOperators.Multiply(a, a, [1f, 2f]);

        depth.Should().Throw<ArgumentException>().WithMessage("b: shape [1, 3]; expected [N, 2], the K of a.*");
        bias.Should().Throw<ArgumentException>().WithMessage("bias: length 2; expected 1.*");
    }
}
