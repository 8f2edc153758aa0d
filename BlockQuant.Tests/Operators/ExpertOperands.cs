using BlockQuant.Reference;

namespace BlockQuant.Tests.Operators;

/// <summary>Random expert weights, on the host and on the device, and the products that they should give.</summary>
internal sealed class ExpertOperands : IDisposable
{
    private readonly QuantizedMatrix[] experts;

    private ExpertOperands(QuantizedMatrix[] experts, ExpertWeights<Float8E4M3> weights)
    {
        this.experts = experts;
        Weights = weights;
    }

    public ExpertWeights<Float8E4M3> Weights { get; }

    public static ExpertOperands Random(ComputeDevice device, Random random, int count, int n, int k, QuantizationScheme scheme)
        => Of(device, Enumerable.Range(0, count).Select(_ => ReferenceOperators.QuantizeFp8(RandomData.Normal(random, n * k), n, k, scheme)).ToArray());

    public static ExpertOperands Of(ComputeDevice device, QuantizedMatrix[] experts)
    {
        QuantizedMatrix first = experts[0];
        var weights = new ExpertWeights<Float8E4M3>(
            device, experts.Length, first.Rows, first.Columns, first.Scheme, first.ScaleRowOffset, first.ScaleColumnOffset);
        for (int expert = 0; expert < experts.Length; expert++)
        {
            weights.CopyFrom(expert, experts[expert]);
        }

        return new ExpertOperands(experts, weights);
    }

    public static QuantizationScheme Blocks(int rows, int columns)
        => new(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(rows, columns));

    /// <summary>The same experts, the one at place i being what was at place order[i].</summary>
    public ExpertOperands Permuted(int[] order) => Of(Weights.Device, Array.ConvertAll(order, i => experts[i]));

    /// <summary>Rows and columns of every expert from a place on, which may lie inside a scale block.</summary>
    public ExpertOperands Shard(int row, int column)
        => Of(Weights.Device, Array.ConvertAll(experts, expert => Shard(expert, row, column)));

    /// <summary>C [S, N] in float64 of rows that are quantized inside.</summary>
    public double[] Product(float[] x, int[] expertIds) => ReferenceOperators.MultiplyBatched(x, experts, expertIds);

    /// <summary>C [S, N] in float64 of rows that are quantized already.</summary>
    public double[] Product(QuantizedMatrix a, int[] indptr) => ReferenceOperators.MultiplyGroups(a, experts, indptr);

    public void Dispose() => Weights.Dispose();

    private static QuantizedMatrix Shard(QuantizedMatrix expert, int row, int column)
    {
        (long blockRows, long blockColumns) = expert.Scheme.BlockOf(expert.Rows, expert.Columns);
        long scaleColumns = expert.Scheme.ScaleShape(expert.Rows, expert.Columns).Columns;
        byte[][] codes = Enumerable.Range(row, (int)expert.Rows - row)
            .Select(r => expert.Codes.Slice((int)(r * expert.Columns) + column, (int)expert.Columns - column).ToArray()).ToArray();
        float[][] scales = Enumerable.Range((int)(row / blockRows), expert.Scales.Length / (int)scaleColumns - (int)(row / blockRows))
            .Select(r => expert.Scales.Slice(r * (int)scaleColumns, (int)scaleColumns).Span[(int)(column / blockColumns)..].ToArray()).ToArray();
        return new QuantizedMatrix(
            codes.SelectMany(part => part).ToArray(),
            expert.Rows - row,
            expert.Columns - column,
            scales.SelectMany(part => part).ToArray(),
            expert.Scheme,
            (int)(row % blockRows),
            (int)(column % blockColumns));
    }
}
