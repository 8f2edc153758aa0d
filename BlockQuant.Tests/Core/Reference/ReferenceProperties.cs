using BlockQuant.Reference;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceProperties
{
    private static readonly Config Checks = Config.QuickThrowOnFailure.WithMaxTest(100);

    private static readonly Arbitrary<Shape> Shapes =
        (from rows in Gen.Choose(0, 20)
         from columns in Gen.Choose(0, 40)
         from blockRows in Gen.Choose(1, 9)
         from blockColumns in Gen.Choose(1, 17)
         from rowOffset in Gen.Choose(0, blockRows - 1)
         from columnOffset in Gen.Choose(0, blockColumns - 1)
         from seed in Gen.Choose(0, int.MaxValue)
         select new Shape(rows, columns, new BlockShape(blockRows, blockColumns), rowOffset, columnOffset, seed)).ToArbitrary();

    [Test]
    public void Fp8StaysWithinHalfAStepOfItsBlock() => Prop.ForAll(Shapes, shape =>
    {
        float[] x = shape.Values();
        QuantizedMatrix matrix = ReferenceOperators.QuantizeFp8(x, shape.Rows, shape.Columns, shape.Scheme(ElementFormat.Float8E4M3), shape.RowOffset, shape.ColumnOffset);

        // Half a step is at most 1/16 of a normal value, and 2⁻¹⁰ scales of a subnormal one.
        return Within(matrix, x, (value, scale) => Math.Max(Math.Abs(value) / 16, scale / 1024));
    }).Check(Checks);

    [Test]
    public void Int8StaysWithinAStepOrHalfOfOne() => Prop.ForAll(Shapes, shape =>
    {
        float[] x = shape.Values();
        QuantizationScheme scheme = shape.Scheme(ElementFormat.Int8);
        QuantizedMatrix compatible = ReferenceOperators.QuantizeInt8(
            x, shape.Rows, shape.Columns, scheme, RoundingMode.ReferenceCompatible, shape.RowOffset, shape.ColumnOffset);
        QuantizedMatrix nearest = ReferenceOperators.QuantizeInt8(x, shape.Rows, shape.Columns, scheme, RoundingMode.Nearest, shape.RowOffset, shape.ColumnOffset);
        return Within(compatible, x, (_, scale) => scale) && Within(nearest, x, (_, scale) => scale / 2);
    }).Check(Checks);

    /// <summary>A power of two moves exponents alone, so it moves the scales and leaves every code.</summary>
    [Test]
    public void DoublingAMatrixDoublesItsScalesAndKeepsItsCodes() => Prop.ForAll(Shapes, shape =>
    {
        float[] x = shape.Values();
        QuantizationScheme scheme = shape.Scheme(ElementFormat.Float8E4M3);
        QuantizedMatrix once = ReferenceOperators.QuantizeFp8(x, shape.Rows, shape.Columns, scheme);
        QuantizedMatrix twice = ReferenceOperators.QuantizeFp8(Array.ConvertAll(x, value => 2 * value), shape.Rows, shape.Columns, scheme);
        return once.Codes.Span.SequenceEqual(twice.Codes.Span)
            && once.Scales.ToArray().Zip(twice.Scales.ToArray()).All(pair => pair.Second == 2 * pair.First);
    }).Check(Checks);

    [Test]
    public void ExpertsInAnotherOrderGiveTheSameRows() => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
    {
        var random = new Random(seed);
        (int count, int n, int k, int s) = (random.Next(1, 5), random.Next(1, 6), random.Next(1, 20), random.Next(0, 8));
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(2, random.Next(1, 9)));
        QuantizedMatrix[] experts = [.. Enumerable.Range(0, count).Select(_ => ReferenceOperators.QuantizeFp8(RandomData.Normal(random, n * k), n, k, scheme))];
        int[] ids = [.. Enumerable.Range(0, s).Select(_ => random.Next(count))];
        int[] order = [.. Enumerable.Range(0, count).OrderBy(_ => random.Next())];
        float[] x = RandomData.Normal(random, s * k);

        double[] product = ReferenceOperators.MultiplyBatched(x, experts, ids);
        double[] permuted = ReferenceOperators.MultiplyBatched(x, Array.ConvertAll(order, expert => experts[expert]), Array.ConvertAll(ids, id => Array.IndexOf(order, id)));
        return product.SequenceEqual(permuted);
    }).Check(Checks);

    [Test]
    public void RoutingIsAStableSortAndCombiningUndoesIt() => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
    {
        var random = new Random(seed);
        (int experts, int topK, int tokens, int tileM) = (random.Next(1, 9), random.Next(1, 5), random.Next(0, 20), random.Next(1, 7));
        int[] ids = [.. Enumerable.Range(0, tokens * topK).Select(_ => random.Next(experts))];

        RoutedRows routed = ReferenceOperators.RouteExperts(ids, experts, tileM);

        bool sorted = routed.RowSlots.Zip(routed.RowSlots.Skip(1)).All(pair => (ids[pair.First], pair.First).CompareTo((ids[pair.Second], pair.Second)) < 0);
        bool inverse = routed.SlotRows.Select((row, slot) => routed.RowSlots[row] == slot).All(same => same);
        bool counted = Enumerable.Range(0, experts).All(expert =>
            routed.Counts[expert] == ids.Count(id => id == expert)
            && routed.Indptr[expert + 1] - routed.Indptr[expert] == routed.Counts[expert]
            && routed.TileOffsets[expert + 1] - routed.TileOffsets[expert] == Math.Ceiling((double)routed.Counts[expert] / tileM));

        double[] slots = [.. Enumerable.Range(0, ids.Length).Select(slot => (double)slot)];
        double[] rows = [.. routed.RowSlots.Select(slot => slots[slot])];
        double[] combined = ReferenceOperators.CombineExperts(rows, routed.SlotRows, [.. Enumerable.Repeat(1f, ids.Length)], topK);
        return sorted && inverse && counted && combined.SequenceEqual(slots.Chunk(topK).Select(token => token.Sum()));
    }).Check(Checks);

    private static bool Within(QuantizedMatrix matrix, float[] x, Func<double, double, double> bound)
    {
        double[] values = ReferenceOperators.Dequantize(matrix);
        (long blockRows, long blockColumns) = matrix.Scheme.BlockOf(matrix.Rows, matrix.Columns);
        return Enumerable.Range(0, x.Length).All(index =>
        {
            (long row, long column) = (index / matrix.Columns + matrix.ScaleRowOffset, index % matrix.Columns + matrix.ScaleColumnOffset);
            double scale = matrix.Scales.Span[(int)(row / blockRows * matrix.ScaleColumns + column / blockColumns)];

            // The float32 divisions add a little to what rounding the code does.
            return Math.Abs(values[index] - x[index]) <= bound(x[index], scale) * (1 + 1e-5);
        });
    }

    private sealed record Shape(int Rows, int Columns, BlockShape Block, int RowOffset, int ColumnOffset, int Seed)
    {
        public float[] Values() => RandomData.Normal(new Random(Seed), Rows * Columns);

        public QuantizationScheme Scheme(ElementFormat format) => new(format, ScaleGranularity.Block, Block);
    }
}
