using BlockQuant.Reference;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceLoraTests
{
    // Two adapters; the first slice has two rows, the second one.
    private static readonly AdapterWeights[] Slices = [new([1, 2, 3, 4, 5, 6, 7, 8], 2, 2, 2), new([10, 20, 30, 40], 2, 1, 2)];

    [Test]
    public void ShrinkTakesEachTokensAdapter()
    {
        double[] shrunk = ReferenceOperators.LoraShrink([1, 1, 1, 2, 9, 9], Slices, [1, 0, -1], 0.5);

        shrunk.Should().Equal(5.5, 7.5, 2.5, 5.5, 0, 0, 35, 0, 25, 0, 0, 0);
    }

    [Test]
    public void ExpandPutsSlicesSideBySideAndLeavesOtherRowsAlone()
    {
        double[] y = [1, 1, 1, 2, 9, 9, 2, 0, 0, 1, 9, 9];
        double[] set = [.. Enumerable.Repeat(100.0, 15)];
        double[] add = [.. set];

        ReferenceOperators.LoraExpand(y, Slices, 2, [1, 0, -1], set, columns: 5, columnOffset: 1);
        ReferenceOperators.LoraExpand(y, Slices, 2, [1, 0, -1], add, columns: 5, columnOffset: 1, addInputs: true);

        set.Should().Equal(100, 11, 15, 60, 100, 100, 5, 11, 20, 100, 100, 100, 100, 100, 100);
        add.Should().Equal(100, 111, 115, 160, 100, 100, 105, 111, 120, 100, 100, 100, 100, 100, 100);
    }

    [Test]
    public void ASliceMayHaveALowerRank()
    {
        AdapterWeights narrow = new([3], 1, 1, 1);
        var output = new double[2];

        ReferenceOperators.LoraExpand([2, 99, 4, 99], [narrow], 2, [0, 0], output, columns: 1);

        output.Should().Equal(6, 12);
    }

    [Test]
    public void QuantizedAdaptersAreDequantized()
    {
        QuantizedMatrix[] adapters =
        [
            ReferenceOperators.QuantizeFp8([448, 1, 2, 4], 2, 2, QuantizationScheme.Fp8Channel),
            ReferenceOperators.QuantizeFp8([1, 2, 3, 4], 2, 2, QuantizationScheme.Fp8Channel),
        ];

        AdapterWeights weights = AdapterWeights.FromQuantized(adapters);

        (weights.Adapters, weights.Rows, weights.Columns).Should().Be((2, 2, 2));
        weights.Values.Should().Equal([.. ReferenceOperators.Dequantize(adapters[0]), .. ReferenceOperators.Dequantize(adapters[1])]);
    }

    [Test]
    public void WhatDoesNotFitIsNamed()
    {
        Action adapter = () => ReferenceOperators.LoraShrink([1, 1], Slices, [2], 1);
        Action belowNone = () => ReferenceOperators.LoraShrink([1, 1], Slices, [-2], 1);
        Action length = () => ReferenceOperators.LoraShrink([1, 1, 1], Slices, [0], 1);
        Action columns = () => ReferenceOperators.LoraExpand(new double[4], Slices, 2, [0], new double[3], 3, columnOffset: 1);
        Action rank = () => ReferenceOperators.LoraExpand(new double[2], Slices, 1, [0], new double[3], 3);
        Action values = () => _ = new AdapterWeights([1], 1, 2, 3);
        Action none = () => AdapterWeights.FromQuantized([]);

        adapter.Should().Throw<ArgumentException>().WithMessage("mapping: 2 at token 0; expected -1 to 1.*");
        belowNone.Should().Throw<ArgumentException>().WithMessage("mapping: -2 at token 0; expected -1 to 1.*");
        length.Should().Throw<ArgumentException>().WithMessage("x: length 3; expected 1 x 2.*");
        columns.Should().Throw<ArgumentException>().WithMessage("slices: columns 1 to 4; expected within 3, and ranks within 2.*");
        rank.Should().Throw<ArgumentException>().WithMessage("slices: columns 0 to 3; expected within 3, and ranks within 1.*");
        values.Should().Throw<ArgumentException>().WithMessage("values: length 1; expected 1 x 2 x 3.*");
        none.Should().Throw<ArgumentException>().WithMessage("adapters: none, or of several shapes*");
    }
}
