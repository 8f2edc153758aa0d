namespace BlockQuant.Reference;

public static partial class ReferenceOperators
{
    /// <summary>Every row times the weights of its own expert, the row quantized first: finegrained-fp8 <c>w8a8_block_fp8_matmul_batched</c>.</summary>
    /// <remarks>
    /// A row is quantized in the stretches of K that its expert's scales cover: 1×128 groups for 128×128 blocks, the whole row
    /// for one scale per tensor or channel, and, for a shard, a first stretch that is what the shard has of a block.
    /// </remarks>
    /// <param name="x">Activations [S, K].</param>
    /// <param name="weights">One FP8 matrix [N, K] an expert, all of one shape and scheme.</param>
    /// <param name="expertIds">The expert of each row [S].</param>
    /// <returns>C [S, N].</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or an id is out of range.</exception>
    public static double[] MultiplyBatched(ReadOnlySpan<float> x, IReadOnlyList<QuantizedMatrix> weights, ReadOnlySpan<int> expertIds)
    {
        QuantizedMatrix shape = RequireExperts(weights);
        if (x.Length != (Int128)expertIds.Length * shape.Columns)
        {
            throw new ArgumentException($"x: length {x.Length}; expected {expertIds.Length} x {shape.Columns}.", nameof(x));
        }

        return MultiplyRows(QuantizeFor(shape, x, expertIds.Length), weights, expertIds);
    }

    /// <summary>Rows sorted by expert times the weights of their experts, quantized first: finegrained-fp8 <c>w8a8_block_fp8_matmul_grouped</c>.</summary>
    /// <remarks>Quantized as by <see cref="MultiplyBatched"/>.</remarks>
    /// <param name="x">Activations [S, K], the rows of expert 0 first.</param>
    /// <param name="weights">One FP8 matrix [N, K] an expert, all of one shape and scheme.</param>
    /// <param name="offsets">Where each expert's rows end [E]: cumulative counts, the last of them S.</param>
    /// <returns>C [S, N].</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or the offsets decrease or do not end at S.</exception>
    public static double[] MultiplyGrouped(ReadOnlySpan<float> x, IReadOnlyList<QuantizedMatrix> weights, ReadOnlySpan<int> offsets)
    {
        QuantizedMatrix shape = RequireExperts(weights);
        int[] starts = [0, .. offsets];

        // A matrix without columns has no length that would tell its rows.
        long rows = shape.Columns == 0 ? starts[^1] : x.Length / shape.Columns;
        return MultiplyBatched(x, weights, ExpertOfRow(starts, weights.Count, rows, nameof(offsets)));
    }

    /// <summary>Quantized rows sorted by expert times the weights of their experts: <c>fp8_groupwise_scaled_group_gemm</c>.</summary>
    /// <param name="a">A [S, K], quantized by any scheme, the rows of expert 0 first.</param>
    /// <param name="weights">One matrix [N, K] an expert, all of one shape and scheme.</param>
    /// <param name="indptr">Where each expert's rows begin, and S [E + 1]; the first is 0.</param>
    /// <returns>C [S, N].</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or <paramref name="indptr"/> decreases, does not begin at 0 or does not end at S.</exception>
    public static double[] MultiplyGroups(QuantizedMatrix a, IReadOnlyList<QuantizedMatrix> weights, ReadOnlySpan<int> indptr)
    {
        ArgumentNullException.ThrowIfNull(a);
        RequireSameDepth(a, RequireExperts(weights));
        return MultiplyRows(a, weights, ExpertOfRow(indptr, weights.Count, a.Rows, nameof(indptr)));
    }

    private static double[] MultiplyRows(QuantizedMatrix a, IReadOnlyList<QuantizedMatrix> weights, ReadOnlySpan<int> expertIds)
    {
        long columns = weights[0].Rows;
        double[] rows = Dequantize(a);
        var experts = new double[weights.Count][];
        var product = new double[checked(expertIds.Length * columns)];
        for (int row = 0; row < expertIds.Length; row++)
        {
            int expert = expertIds[row];
            if (expert < 0 || expert >= weights.Count)
            {
                throw new ArgumentException($"expertIds: {expert} at row {row}; expected 0 to {weights.Count - 1}.", nameof(expertIds));
            }

            double[] weight = experts[expert] ??= Dequantize(weights[expert]);
            for (long column = 0; column < columns; column++)
            {
                product[row * columns + column] = Dot(rows, row, weight, column, a.Columns);
            }
        }

        return product;
    }

    private static QuantizedMatrix QuantizeFor(QuantizedMatrix weight, ReadOnlySpan<float> x, long rows)
    {
        (long _, long width) = weight.Scheme.BlockOf(weight.Rows, weight.Columns);
        var scheme = new QuantizationScheme(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, checked((int)width)));
        return QuantizeFp8(x, rows, weight.Columns, scheme, scaleColumnOffset: weight.ScaleColumnOffset);
    }

    private static int[] ExpertOfRow(ReadOnlySpan<int> starts, int experts, long rows, string name)
    {
        if (starts.Length != experts + 1 || starts[0] != 0 || starts[^1] != rows)
        {
            throw new ArgumentException(
                $"{name}: {string.Join(", ", starts.ToArray())}; expected an entry for each of {experts} experts, from 0 to the {rows} rows.", name);
        }

        var expertOfRow = new int[rows];
        for (int expert = 0; expert < experts; expert++)
        {
            if (starts[expert + 1] < starts[expert])
            {
                throw new ArgumentException($"{name}: decreases from {starts[expert]} to {starts[expert + 1]} at expert {expert}.", name);
            }

            expertOfRow.AsSpan(starts[expert], starts[expert + 1] - starts[expert]).Fill(expert);
        }

        return expertOfRow;
    }

    private static QuantizedMatrix RequireExperts(IReadOnlyList<QuantizedMatrix> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (weights.Count == 0)
        {
            throw new ArgumentException("weights: no expert; expected at least one.", nameof(weights));
        }

        QuantizedMatrix first = weights[0];
        foreach (QuantizedMatrix weight in weights)
        {
            if (weight.Rows != first.Rows || weight.Columns != first.Columns || weight.Scheme != first.Scheme
                || weight.ScaleRowOffset != first.ScaleRowOffset || weight.ScaleColumnOffset != first.ScaleColumnOffset)
            {
                throw new ArgumentException($"weights: [{weight.Rows}, {weight.Columns}]; expected every expert like the first, [{first.Rows}, {first.Columns}].", nameof(weights));
            }
        }

        return first;
    }
}
