using ILGPU;

namespace BlockQuant;

/// <summary>
/// The weights of one slice for all adapters, in device memory that somebody else owns: A [adapters, rank, K] of a shrink or B [adapters, N, rank]
/// of an expand. A fused projection (q, k and v) has one slice for each part.
/// </summary>
/// <typeparam name="T">BFloat16, Half or Single for full precision, <see cref="Float8E4M3"/> for codes.</typeparam>
public readonly struct LoraSlice<T>
    where T : unmanaged
{
    /// <summary>Full-precision weights.</summary>
    /// <param name="values">The weights, row-major.</param>
    /// <param name="adapters">Adapters.</param>
    /// <param name="rows">The rank of A, or N of B.</param>
    /// <param name="columns">K of A, or the rank of B.</param>
    /// <param name="adapterStride">Elements from one adapter to the next; 0 for rows × row stride.</param>
    /// <param name="rowStride">Elements from one row to the next; 0 for columns.</param>
    /// <exception cref="ArgumentException">A shape or stride does not fit, or the values are codes without scales.</exception>
    public LoraSlice(ArrayView<T> values, long adapters, long rows, long columns, long adapterStride = 0, long rowStride = 0)
    {
        if (typeof(T) == typeof(Float8E4M3))
        {
            throw new ArgumentException("values: element type Float8E4M3 without scales; expected scales and a scheme.", nameof(values));
        }

        Values = values;
        Adapters = adapters;
        Rows = rows;
        Columns = columns;
        RowStride = rowStride == 0 ? columns : rowStride;
        AdapterStride = adapterStride == 0 ? rows * RowStride : adapterStride;
        RequireLayout(nameof(values));
    }

    /// <summary>Quantized weights.</summary>
    /// <param name="codes">The codes, row-major.</param>
    /// <param name="scales">
    /// [adapters] for one scale a tensor, [adapters, rows] for one a channel, [adapters, ⌈rows / group n⌉, ⌈columns / group k⌉] for blocks.
    /// </param>
    /// <param name="scheme">What one scale covers in an adapter's matrix.</param>
    /// <param name="adapters">Adapters.</param>
    /// <param name="rows">The rank of A, or N of B.</param>
    /// <param name="columns">K of A, or the rank of B.</param>
    /// <param name="adapterStride">Codes from one adapter to the next; 0 for rows × row stride.</param>
    /// <param name="rowStride">Codes from one row to the next; 0 for columns.</param>
    /// <param name="scaleRowOffset">Rows of the first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of the first scale block that lie before this shard.</param>
    /// <exception cref="ArgumentException">A shape, stride or the scheme does not fit.</exception>
    public LoraSlice(
        ArrayView<T> codes,
        ArrayView<float> scales,
        QuantizationScheme scheme,
        long adapters,
        long rows,
        long columns,
        long adapterStride = 0,
        long rowStride = 0,
        int scaleRowOffset = 0,
        int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        Require.Codes<T>(scheme, nameof(codes));
        Values = codes;
        Scales = scales;
        Adapters = adapters;
        Rows = rows;
        Columns = columns;
        RowStride = rowStride == 0 ? columns : rowStride;
        AdapterStride = adapterStride == 0 ? rows * RowStride : adapterStride;
        RequireLayout(nameof(codes));
        (BlockRows, BlockColumns) = scheme.BlockOf(rows, columns);
        (ScaleRows, ScaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        ScaleRowOffset = scaleRowOffset;
        ScaleColumnOffset = scaleColumnOffset;
        if (scales.Length != adapters * ScaleRows * ScaleColumns)
        {
            throw new ArgumentException($"scales: length {scales.Length}; expected {adapters} x {ScaleRows} x {ScaleColumns}.", nameof(scales));
        }
    }

    /// <summary>The values or codes.</summary>
    public ArrayView<T> Values { get; }

    /// <summary>The scales; empty for full precision.</summary>
    public ArrayView<float> Scales { get; }

    /// <summary>Adapters.</summary>
    public long Adapters { get; }

    /// <summary>The rank of A, or N of B.</summary>
    public long Rows { get; }

    /// <summary>K of A, or the rank of B.</summary>
    public long Columns { get; }

    /// <summary>Elements from one adapter to the next.</summary>
    public long AdapterStride { get; }

    /// <summary>Elements from one row to the next.</summary>
    public long RowStride { get; }

    internal long ScaleRows { get; }

    internal long ScaleColumns { get; }

    internal long BlockRows { get; }

    internal long BlockColumns { get; }

    internal int ScaleRowOffset { get; }

    internal int ScaleColumnOffset { get; }

    internal bool IsQuantized => BlockColumns > 0;

    internal string Shape => $"[{Adapters}, {Rows}, {Columns}]";

    private void RequireLayout(string operand)
    {
        Require.Positive(Adapters, nameof(Adapters));
        Require.Positive(Rows, nameof(Rows));
        Require.Positive(Columns, nameof(Columns));
        Require.Elements(operand, Adapters, Rows, RowStride);
        Require.Elements(operand, Adapters, AdapterStride);
        if (RowStride < Columns || AdapterStride < (Rows - 1) * RowStride + Columns)
        {
            throw new ArgumentException(
                $"{operand}: strides {AdapterStride} and {RowStride}; expected adapters and rows of {Shape} that do not overlap.", operand);
        }

        long expected = (Adapters - 1) * AdapterStride + (Rows - 1) * RowStride + Columns;
        if (Values.Length < expected)
        {
            throw new ArgumentException($"{operand}: length {Values.Length}; expected at least {expected} for {Shape}.", operand);
        }
    }
}
