namespace BlockQuant;

/// <summary>A quantized matrix in device memory that somebody else owns: eight-bit codes [rows, columns] and their float32 scales.</summary>
/// <typeparam name="TCode"><see cref="Float8E4M3"/> or <see cref="sbyte"/>.</typeparam>
/// <remarks>
/// The value of an element is code × scale of its block. A shard that starts inside a scale block says how many rows and columns of that
/// block lie before it.
/// </remarks>
public readonly struct QuantizedView<TCode>
    where TCode : unmanaged
{
    /// <summary>Puts codes and scales together.</summary>
    /// <param name="codes">The codes [rows, columns].</param>
    /// <param name="scales">The scales, of the shape that <paramref name="scheme"/> gives the codes.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="scaleRowOffset">Rows of the first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of the first scale block that lie before this shard.</param>
    /// <exception cref="ArgumentException">The scales have not the shape of the scheme.</exception>
    public QuantizedView(
        MatrixView<TCode> codes,
        MatrixView<float> scales,
        QuantizationScheme scheme,
        int scaleRowOffset = 0,
        int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        (long rows, long columns) = scheme.ScaleShape(codes.Rows, codes.Columns, scaleRowOffset, scaleColumnOffset);
        Require.Shape(scales, rows, columns, nameof(scales));
        Codes = codes;
        Scales = scales;
        Scheme = scheme;
        ScaleRowOffset = scaleRowOffset;
        ScaleColumnOffset = scaleColumnOffset;
    }

    /// <summary>The codes [rows, columns].</summary>
    public MatrixView<TCode> Codes { get; }

    /// <summary>The scales.</summary>
    public MatrixView<float> Scales { get; }

    /// <summary>What one scale covers.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>Rows of the first scale block that lie before this shard.</summary>
    public int ScaleRowOffset { get; }

    /// <summary>Columns of the first scale block that lie before this shard.</summary>
    public int ScaleColumnOffset { get; }

    /// <summary>
    /// A caller's promise: while a product that takes these weights is issued and runs, nothing writes them, and whatever wrote them, on any stream,
    /// has ended. So it is with a model that is loaded and served. False unless it is made.
    /// </summary>
    /// <remarks>
    /// The FP8 and INT8 products of few tokens on a GPU of compute capability 9.0 then begin to read the codes while kernels ahead of them in the
    /// stream still run. Everything else takes no notice, and no bit of a result changes. A promise that is not kept is not found out: results
    /// are wrong.
    /// </remarks>
    public bool IsConstant { get; init; }

    /// <summary>Rows of the codes.</summary>
    public long Rows => Codes.Rows;

    /// <summary>Columns of the codes.</summary>
    public long Columns => Codes.Columns;

    internal long BlockRows => Scheme.BlockOf(Rows, Columns).Rows;

    internal long BlockColumns => Scheme.BlockOf(Rows, Columns).Columns;
}
