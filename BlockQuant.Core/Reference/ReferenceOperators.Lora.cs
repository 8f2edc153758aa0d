namespace BlockQuant.Reference;

public static partial class ReferenceOperators
{
    /// <summary>LoRA shrink: each token's row times the A of its adapter, for several slices: vLLM's FP8 <c>lora_shrink</c>.</summary>
    /// <remarks>The scale modes of the operator are the granularities of the matrices that <see cref="Dequantize"/> and <see cref="AdapterWeights.FromQuantized"/> take.</remarks>
    /// <param name="x">The rows' values [tokens, K].</param>
    /// <param name="slices">A of each slice [adapters, rank, K]; the ranks may differ.</param>
    /// <param name="mapping">The adapter of each token, −1 for none.</param>
    /// <param name="scaling">Multiplies every result.</param>
    /// <returns>[slices, tokens, widest rank]; zero where a token has no adapter or a slice is narrower.</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or an adapter is out of range.</exception>
    public static double[] LoraShrink(ReadOnlySpan<double> x, IReadOnlyList<AdapterWeights> slices, ReadOnlySpan<int> mapping, double scaling)
    {
        ArgumentNullException.ThrowIfNull(slices);
        int rank = slices.Count == 0 ? 0 : slices.Max(slice => slice.Rows);
        var result = new double[checked((long)slices.Count * mapping.Length * rank)];
        for (int slice = 0; slice < slices.Count; slice++)
        {
            AdapterWeights a = slices[slice];
            RequireLoraRows(x.Length, mapping.Length, a.Columns, nameof(x));
            for (int token = 0; token < mapping.Length; token++)
            {
                if (!HasAdapter(mapping, token, a))
                {
                    continue;
                }

                for (int row = 0; row < a.Rows; row++)
                {
                    double sum = Dot(x, token, a.Values, (long)mapping[token] * a.Rows + row, a.Columns);
                    result[((long)slice * mapping.Length + token) * rank + row] = scaling * sum;
                }
            }
        }

        return result;
    }

    /// <summary>LoRA expand: each token's shrunk rows times the B of its adapter, side by side into the output: vLLM's FP8 <c>lora_expand</c>.</summary>
    /// <param name="y">The shrunk rows' values [slices, tokens, rank].</param>
    /// <param name="slices">B of each slice [adapters, N of the slice, its rank]; a rank may be narrower than that of <paramref name="y"/>.</param>
    /// <param name="rank">The width of a row of <paramref name="y"/>.</param>
    /// <param name="mapping">The adapter of each token, −1 for none: such a row of the output is left as it is.</param>
    /// <param name="output">[tokens, <paramref name="columns"/>].</param>
    /// <param name="columns">Columns of the output.</param>
    /// <param name="columnOffset">Where the first slice begins; each other begins where the one before ends.</param>
    /// <param name="addInputs">Whether results are added to the output or replace it.</param>
    /// <exception cref="ArgumentException">A shape does not fit, or an adapter is out of range.</exception>
    public static void LoraExpand(
        ReadOnlySpan<double> y,
        IReadOnlyList<AdapterWeights> slices,
        int rank,
        ReadOnlySpan<int> mapping,
        Span<double> output,
        int columns,
        int columnOffset = 0,
        bool addInputs = false)
    {
        ArgumentNullException.ThrowIfNull(slices);
        RequireLoraRows(y.Length, slices.Count * mapping.Length, rank, nameof(y));
        RequireLoraRows(output.Length, mapping.Length, columns, nameof(output));
        int width = slices.Sum(slice => slice.Rows);
        if (columnOffset < 0 || columnOffset + width > columns || slices.Any(slice => slice.Columns > rank))
        {
            throw new ArgumentException($"slices: columns {columnOffset} to {columnOffset + width}; expected within {columns}, and ranks within {rank}.", nameof(slices));
        }

        for (int slice = 0; slice < slices.Count; slice++)
        {
            AdapterWeights b = slices[slice];
            for (int token = 0; token < mapping.Length; token++)
            {
                if (!HasAdapter(mapping, token, b))
                {
                    continue;
                }

                ReadOnlySpan<double> shrunk = y.Slice((slice * mapping.Length + token) * rank, b.Columns);
                for (int row = 0; row < b.Rows; row++)
                {
                    double sum = Dot(shrunk, 0, b.Values, (long)mapping[token] * b.Rows + row, b.Columns);
                    ref double target = ref output[token * columns + columnOffset + row];
                    target = addInputs ? target + sum : sum;
                }
            }

            columnOffset += b.Rows;
        }
    }

    private static bool HasAdapter(ReadOnlySpan<int> mapping, int token, AdapterWeights weights)
    {
        int adapter = mapping[token];
        return adapter >= -1 && adapter < weights.Adapters
            ? adapter >= 0
            : throw new ArgumentException($"mapping: {adapter} at token {token}; expected -1 to {weights.Adapters - 1}.", nameof(mapping));
    }

    private static void RequireLoraRows(int length, int rows, int columns, string name)
    {
        if (length != (long)rows * columns)
        {
            throw new ArgumentException($"{name}: length {length}; expected {rows} x {columns}.", name);
        }
    }
}
