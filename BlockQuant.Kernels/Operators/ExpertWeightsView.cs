using ILGPU;

namespace BlockQuant;

/// <summary>The quantized weights of several experts in device memory that somebody else owns: codes [E, N, K] and their float32 scales.</summary>
/// <typeparam name="TCode"><see cref="Float8E4M3"/> or <see cref="sbyte"/>.</typeparam>
/// <remarks>
/// The scales of one expert have the shape that the scheme gives a matrix [N, K], so all of them [E, ⌈N / bn⌉, ⌈K / bk⌉]; with one scale for a
/// tensor, [E, 1, 1]. Shards that start inside a scale block start at the same place in every expert.
/// </remarks>
public readonly struct ExpertWeightsView<TCode>
    where TCode : unmanaged
{
    /// <summary>Puts codes and scales together.</summary>
    /// <param name="codes">The codes [E, N, K]; the length is E × N × K.</param>
    /// <param name="scales">The scales [E, scale rows, scale columns].</param>
    /// <param name="experts">E.</param>
    /// <param name="rows">N, the rows of one expert.</param>
    /// <param name="columns">K, the columns of one expert.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="scaleRowOffset">Rows of an expert's first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of an expert's first scale block that lie before this shard.</param>
    /// <exception cref="ArgumentException">A length is not that of the shape.</exception>
    public ExpertWeightsView(
        ArrayView<TCode> codes,
        ArrayView<float> scales,
        int experts,
        long rows,
        long columns,
        QuantizationScheme scheme,
        int scaleRowOffset = 0,
        int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        if (experts < 0 || rows < 0 || columns < 0 || codes.Length != Require.Elements(nameof(codes), experts, rows, columns))
        {
            throw new ArgumentException($"codes: length {codes.Length}; expected {experts} x {rows} x {columns}.", nameof(codes));
        }

        (ScaleRows, ScaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        if (scales.Length != Require.Elements(nameof(scales), experts, ScaleRows, ScaleColumns))
        {
            throw new ArgumentException($"scales: length {scales.Length}; expected {experts} x {ScaleRows} x {ScaleColumns}.", nameof(scales));
        }

        Codes = codes;
        Scales = scales;
        Experts = experts;
        Rows = rows;
        Columns = columns;
        Scheme = scheme;
        ScaleRowOffset = scaleRowOffset;
        ScaleColumnOffset = scaleColumnOffset;
    }

    /// <summary>The codes [E, N, K].</summary>
    public ArrayView<TCode> Codes { get; }

    /// <summary>The scales [E, <see cref="ScaleRows"/>, <see cref="ScaleColumns"/>].</summary>
    public ArrayView<float> Scales { get; }

    /// <summary>E, the experts.</summary>
    public int Experts { get; }

    /// <summary>N, the rows of one expert.</summary>
    public long Rows { get; }

    /// <summary>K, the columns of one expert.</summary>
    public long Columns { get; }

    /// <summary>What one scale covers.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>Rows of an expert's first scale block that lie before this shard.</summary>
    public int ScaleRowOffset { get; }

    /// <summary>Columns of an expert's first scale block that lie before this shard.</summary>
    public int ScaleColumnOffset { get; }

    /// <summary>Rows of one expert's scales.</summary>
    public long ScaleRows { get; }

    /// <summary>Columns of one expert's scales.</summary>
    public long ScaleColumns { get; }

    internal long BlockRows => Scheme.BlockOf(Rows, Columns).Rows;

    internal long BlockColumns => Scheme.BlockOf(Rows, Columns).Columns;

    internal string Shape => $"[{Experts}, {Rows}, {Columns}]";

    /// <summary>The weights [N, K] of one expert.</summary>
    /// <param name="expert">Which, from 0.</param>
    public QuantizedView<TCode> Expert(int expert)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(expert);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(expert, Experts);
        return new QuantizedView<TCode>(
            new MatrixView<TCode>(Codes.SubView(expert * Rows * Columns, Rows * Columns), Rows, Columns),
            new MatrixView<float>(Scales.SubView(expert * ScaleRows * ScaleColumns, ScaleRows * ScaleColumns), ScaleRows, ScaleColumns),
            Scheme,
            ScaleRowOffset,
            ScaleColumnOffset);
    }
}
