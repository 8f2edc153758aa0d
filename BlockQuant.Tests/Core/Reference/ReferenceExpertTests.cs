using BlockQuant.Reference;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceExpertTests
{
    private const int N = 3;
    private const int K = 5;

    private static readonly QuantizationScheme Blocks = new(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(2, 2));
    private static readonly QuantizedMatrix[] Experts =
        [.. Enumerable.Range(0, 4).Select(expert => ReferenceOperators.QuantizeFp8(RandomData.Normal(new Random(expert), N * K), N, K, Blocks))];

    [Test]
    public void EachRowIsMultipliedByItsOwnExpert()
    {
        int[] ids = [2, 0, 2, 3];
        float[] x = RandomData.Normal(new Random(9), ids.Length * K);

        double[] product = ReferenceOperators.MultiplyBatched(x, Experts, ids);

        var groups = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, 2));
        double[] expected =
        [
            .. ids.SelectMany((id, row) => ReferenceOperators.Multiply(ReferenceOperators.QuantizeFp8(x.AsSpan(row * K, K), 1, K, groups), Experts[id])),
        ];
        product.Should().Equal(expected);
    }

    [Test]
    public void SortedRowsMultiplyAlikeInAllThreeForms()
    {
        int[] ids = [0, 0, 2, 3, 3];
        float[] x = RandomData.Normal(new Random(9), ids.Length * K);
        var groups = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, 2));

        double[] batched = ReferenceOperators.MultiplyBatched(x, Experts, ids);
        double[] grouped = ReferenceOperators.MultiplyGrouped(x, Experts, [2, 2, 3, 5]);
        double[] quantized = ReferenceOperators.MultiplyGroups(ReferenceOperators.QuantizeFp8(x, ids.Length, K, groups), Experts, [0, 2, 2, 3, 5]);

        grouped.Should().Equal(batched);
        quantized.Should().Equal(batched);
    }

    [Test]
    public void OneScalePerTensorQuantizesWholeRows()
    {
        QuantizedMatrix[] experts = [ReferenceOperators.QuantizeFp8(RandomData.Normal(new Random(1), N * K), N, K, QuantizationScheme.Fp8Tensor)];
        float[] x = RandomData.Normal(new Random(2), K);

        double[] product = ReferenceOperators.MultiplyBatched(x, experts, [0]);

        product.Should().Equal(ReferenceOperators.Multiply(ReferenceOperators.QuantizeFp8(x, 1, K, QuantizationScheme.Fp8Token), experts[0]));
    }

    [Test]
    public void AShardsFirstGroupIsWhatItHasOfABlock()
    {
        // Columns 1 to 4 of the expert: its blocks of two begin one column earlier, so the groups are 1 | 2 3 | 4.
        QuantizedMatrix whole = Experts[0];
        byte[] codes = [.. whole.Codes.ToArray().Where((_, index) => index % K > 0)];
        var shard = new QuantizedMatrix(codes, N, K - 1, whole.Scales, Blocks, scaleColumnOffset: 1);
        float[] x = [1.1f, 100f, 3.3f, 0.77f];

        double[] product = ReferenceOperators.MultiplyBatched(x, [shard], [0]);

        double[] values = [.. new[] { x[..1], x[1..3], x[3..] }.SelectMany(group =>
            ReferenceOperators.Dequantize(ReferenceOperators.QuantizeFp8(group, 1, group.Length, QuantizationScheme.Fp8TokenGroup128)))];
        double[] weight = ReferenceOperators.Dequantize(whole);
        product.Should().Equal(Enumerable.Range(0, N).Select(n => Enumerable.Range(0, 4).Sum(k => values[k] * weight[n * K + k + 1])));
    }

    [TestCase(new[] { 0, 2, 2, 3 }, "indptr: 0, 2, 2, 3; expected an entry for each of 4 experts, from 0 to the 5 rows.*")]
    [TestCase(new[] { 1, 2, 2, 3, 5 }, "*from 0 to the 5 rows.*")]
    [TestCase(new[] { 0, 2, 2, 3, 4 }, "*from 0 to the 5 rows.*")]
    [TestCase(new[] { 0, 3, 2, 3, 5 }, "indptr: decreases from 3 to 2 at expert 1.*")]
    public void OffsetsThatAreNotRisingFromZeroToTheRowsAreRefused(int[] indptr, string message)
    {
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(new float[5 * K], 5, K, QuantizationScheme.Fp8TokenGroup128);
        Action groups = () => ReferenceOperators.MultiplyGroups(a, Experts, indptr);

        groups.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Test]
    public void WhatDoesNotFitIsNamed()
    {
        Action id = () => ReferenceOperators.MultiplyBatched(new float[2 * K], Experts, [0, 4]);
        Action length = () => ReferenceOperators.MultiplyBatched(new float[K], Experts, [0, 1]);
        Action none = () => ReferenceOperators.MultiplyBatched([], [], []);
        Action unlike = () => ReferenceOperators.MultiplyBatched(new float[K], [Experts[0], ReferenceOperators.QuantizeFp8(new float[K], 1, K, Blocks)], [0]);

        id.Should().Throw<ArgumentException>().WithMessage("expertIds: 4 at row 1; expected 0 to 3.*");
        length.Should().Throw<ArgumentException>().WithMessage("x: length 5; expected 2 x 5.*");
        none.Should().Throw<ArgumentException>().WithMessage("weights: no expert*");
        unlike.Should().Throw<ArgumentException>().WithMessage("weights: [1, 5]; expected every expert like the first, [3, 5].*");
    }

    [Test]
    public void SlotsAreSortedByExpertAndKeepTheirOrder()
    {
        RoutedRows routed = ReferenceOperators.RouteExperts([3, 0, 0, 3, 1, 3, 3, 0], experts: 4, tileM: 2);

        routed.RowSlots.Should().Equal(1, 2, 7, 4, 0, 3, 5, 6);
        routed.SlotRows.Should().Equal(4, 0, 1, 5, 3, 6, 7, 2);
        routed.Counts.Should().Equal(3, 1, 0, 4);
        routed.Indptr.Should().Equal(0, 3, 4, 4, 8);
        routed.TileOffsets.Should().Equal(0, 2, 3, 3, 5);
    }

    [Test]
    public void TokensGetTheWeightedSumOfTheirSlots()
    {
        // Two tokens of two slots, two columns; slot 0 lies in row 1, slot 1 in row 2, and so on.
        double[] combined = ReferenceOperators.CombineExperts([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 0], [0.5f, 2f, 1f, 10f], topK: 2);

        combined.Should().Equal(0.5 * 3 + 2 * 5, 0.5 * 4 + 2 * 6, 7 + 10, 8 + 20);
    }

    [Test]
    public void RoutingRefusesWhatDoesNotFit()
    {
        Action id = () => ReferenceOperators.RouteExperts([0, -1], 2, 16);
        Action tile = () => ReferenceOperators.RouteExperts([0], 2, 0);
        Action lengths = () => ReferenceOperators.CombineExperts(new double[4], [0, 1], [1f], 2);

        id.Should().Throw<ArgumentException>().WithMessage("expertIds: -1 at slot 1; expected 0 to 1.*");
        tile.Should().Throw<ArgumentException>().WithMessage("tileM: 0; expected at least 1.*");
        lengths.Should().Throw<ArgumentException>();
        ReferenceOperators.RouteExperts([], 2, 16).TileOffsets.Should().Equal(0, 0, 0);
        ReferenceOperators.CombineExperts([], [], [], 2).Should().BeEmpty();
    }
}
