namespace BlockQuant.Tests.Core.Quantization;

[TestFixture]
public class QuantizationSchemeTests
{
    [TestCase(0, 0)]
    [TestCase(1, 1)]
    [TestCase(128, 1)]
    [TestCase(129, 2)]
    [TestCase(long.MaxValue, 72057594037927936)]
    public void BlocksCoverARaggedExtent(long extent, long blocks)
    {
        new BlockShape(128, 7).ScaleRows(extent).Should().Be(blocks);
        new BlockShape(7, 128).ScaleColumns(extent).Should().Be(blocks);
    }

    [TestCase(0, 1)]
    [TestCase(1, 0)]
    [TestCase(-1, 1)]
    public void ABlockHasAtLeastOneElement(int rows, int columns)
    {
        Action create = () => _ = new BlockShape(rows, columns);

        create.Should().Throw<ArgumentOutOfRangeException>();
    }

    [TestCase(0, 127, 0)]
    [TestCase(1, 127, 1)]
    [TestCase(2, 127, 2)]
    [TestCase(128, 1, 2)]
    [TestCase(long.MaxValue, 127, 72057594037927937)]
    public void AShardTouchesTheBlocksItStartsAndEndsIn(long extent, int offset, long blocks)
    {
        QuantizationScheme.Fp8Block128.ScaleShape(extent, 1, rowOffset: offset).Should().Be((blocks, 1L));
        QuantizationScheme.Fp8Block128.ScaleShape(1, extent, columnOffset: offset).Should().Be((1L, blocks));
    }

    [Test]
    public void ExtentsAndOffsetsOutsideTheirRangeAreRefused()
    {
        Action[] calls =
        [
            () => QuantizationScheme.Fp8Block128.ScaleShape(-1, 1),
            () => QuantizationScheme.Fp8Block128.ScaleShape(1, -1),
            () => QuantizationScheme.Fp8Block128.ScaleShape(1, 1, rowOffset: 128),
            () => QuantizationScheme.Fp8Block128.ScaleShape(1, 1, columnOffset: -1),
            () => QuantizationScheme.Fp8TokenGroup128.ScaleShape(9, 9, rowOffset: 1),
            () => QuantizationScheme.Fp8Tensor.ScaleShape(9, 9, rowOffset: 1),
            () => QuantizationScheme.Fp8Channel.ScaleShape(9, 9, columnOffset: 1),
            () => QuantizationScheme.Fp8Token.ScaleShape(9, 9, columnOffset: 1),
            () => _ = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Block),
            () => _ = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.TokenGroup, default),
        ];
        foreach (Action call in calls)
        {
            call.Should().Throw<ArgumentException>();
        }
    }

    [Test]
    public void EachGranularityHasItsScaleShape()
    {
        QuantizationScheme.Fp8Tensor.ScaleShape(300, 200).Should().Be((1L, 1L));
        QuantizationScheme.Fp8Tensor.ScaleShape(0, 200).Should().Be((1L, 1L));
        QuantizationScheme.Fp8Channel.ScaleShape(300, 200).Should().Be((300L, 1L));
        QuantizationScheme.Fp8Channel.ScaleShape(300, 0).Should().Be((300L, 1L));
        QuantizationScheme.Fp8Token.ScaleShape(300, 200).Should().Be((300L, 1L));
        QuantizationScheme.Fp8TokenGroup128.ScaleShape(300, 200).Should().Be((300L, 2L));
        QuantizationScheme.Fp8Block128.ScaleShape(300, 200).Should().Be((3L, 2L));
        QuantizationScheme.Fp8Block128.ScaleShape(300, 200, 100, 57).Should().Be((4L, 3L));
    }

    [Test]
    public void SchemesAreEqualByWhatTheySay()
    {
        new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(128, 128)).Should().Be(QuantizationScheme.Fp8Block128);
        QuantizationScheme.Int8Block128.Should().NotBe(QuantizationScheme.Fp8Block128);
        QuantizationScheme.Int8TokenGroup128.MaxCode.Should().Be(127f);
        QuantizationScheme.Fp8TokenGroup128.MaxCode.Should().Be(448f);
        new BlockShape(1, 128).ToString().Should().Be("1x128");
    }
}
