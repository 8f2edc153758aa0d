namespace BlockQuant;

/// <summary>
/// The input of a LoRA product: the activations x [tokens, K] of a shrink, or the shrunk activations y [slices, tokens, rank] of an expand, as a
/// matrix of slices × tokens rows.
/// </summary>
/// <typeparam name="T">BFloat16, Half or Single for full precision, <see cref="Float8E4M3"/> for codes.</typeparam>
public readonly struct LoraInput<T>
    where T : unmanaged
{
    /// <summary>Full-precision input.</summary>
    /// <param name="values">The values [slices × tokens, columns].</param>
    /// <param name="slices">Slices; 1 in a shrink, where all slices read the same x.</param>
    /// <exception cref="ArgumentException">The rows are not a multiple of the slices, or the values are codes without scales.</exception>
    public LoraInput(MatrixView<T> values, int slices = 1)
    {
        Require.Slices(values, slices, nameof(values));
        if (typeof(T) == typeof(Float8E4M3))
        {
            throw new ArgumentException("values: element type Float8E4M3 without scales; expected scales and a scheme.", nameof(values));
        }

        Values = values;
        Slices = slices;
    }

    /// <summary>Quantized input.</summary>
    /// <param name="codes">The codes [slices × tokens, columns].</param>
    /// <param name="scales">
    /// [1, 1] for one scale a tensor; [rows, 1] for one a token; [rows, ⌈columns / group⌉] for one a token group; where rows is slices × tokens, or
    /// tokens when all slices share a token's scales, as the reference has it.
    /// </param>
    /// <param name="scheme">What one scale covers: a tensor, a token or a token group.</param>
    /// <param name="slices">Slices; 1 in a shrink.</param>
    /// <param name="scaleColumnOffset">Columns of the first token group that lie before this shard.</param>
    /// <exception cref="ArgumentException">A shape or the scheme does not fit.</exception>
    public LoraInput(MatrixView<T> codes, MatrixView<float> scales, QuantizationScheme scheme, int slices = 1, int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        Require.Slices(codes, slices, nameof(codes));
        Require.Codes<T>(scheme, nameof(codes));
        (long blockRows, long blockColumns) = scheme.BlockOf(codes.Rows, codes.Columns);
        if (scheme.Granularity != ScaleGranularity.Tensor && blockRows != 1)
        {
            throw new ArgumentException($"scheme: {blockRows} rows a scale; expected a scale of a tensor, token or token group.", nameof(scheme));
        }

        (long scaleRows, long scaleColumns) = scheme.ScaleShape(codes.Rows, codes.Columns, 0, scaleColumnOffset);
        bool shared = scheme.Granularity != ScaleGranularity.Tensor && slices > 1 && scales.Rows == codes.Rows / slices;
        Require.Shape(scales, shared ? codes.Rows / slices : scaleRows, scaleColumns, nameof(scales));
        Values = codes;
        Scales = scales;
        Slices = slices;
        BlockColumns = blockColumns;
        ScaleColumnOffset = scaleColumnOffset;
        ScaleRowStride = scheme.Granularity == ScaleGranularity.Tensor ? 0 : scaleColumns;
        ScaleSliceStride = shared ? 0 : ScaleRowStride * (codes.Rows / slices);
    }

    /// <summary>Quantized input of a shrink.</summary>
    /// <param name="x">Codes [tokens, K]: scales per tensor, token or token group.</param>
    /// <exception cref="ArgumentException">The scheme does not fit.</exception>
    public LoraInput(QuantizedView<T> x)
        : this(x.Codes, x.Scales, x.Scheme, 1, x.ScaleColumnOffset)
    {
    }

    /// <summary>The values or codes [slices × tokens, columns].</summary>
    public MatrixView<T> Values { get; }

    /// <summary>The scales; empty for full precision.</summary>
    public MatrixView<float> Scales { get; }

    /// <summary>Slices.</summary>
    public int Slices { get; }

    /// <summary>Tokens.</summary>
    public long Tokens => Slices == 0 ? 0 : Values.Rows / Slices;

    /// <summary>K in a shrink, the rank in an expand.</summary>
    public long Columns => Values.Columns;

    internal long BlockColumns { get; }

    internal int ScaleColumnOffset { get; }

    internal long ScaleRowStride { get; }

    internal long ScaleSliceStride { get; }

    internal bool IsQuantized => BlockColumns > 0;

    internal string Shape => $"[{Slices}, {Tokens}, {Columns}]";
}
