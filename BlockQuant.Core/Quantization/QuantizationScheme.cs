namespace BlockQuant;

/// <summary>What the codes of a quantized matrix mean, and which elements share a scale.</summary>
/// <param name="Format">The eight-bit format.</param>
/// <param name="Granularity">How much shares one scale.</param>
/// <param name="Block">The block of <see cref="ScaleGranularity.TokenGroup"/> and <see cref="ScaleGranularity.Block"/>; ignored by the others.</param>
public sealed record QuantizationScheme(ElementFormat Format, ScaleGranularity Granularity, BlockShape Block = default)
{
    /// <summary>FP8 activations with one scale for each 128 elements of a token (DeepSeek-V3).</summary>
    public static QuantizationScheme Fp8TokenGroup128 { get; } = new(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, 128));

    /// <summary>FP8 weights with one scale for each 128×128 block (DeepSeek-V3's <c>weight_scale_inv</c>).</summary>
    public static QuantizationScheme Fp8Block128 { get; } = new(ElementFormat.Float8E4M3, ScaleGranularity.Block, new BlockShape(128, 128));

    /// <summary>FP8 with one scale.</summary>
    public static QuantizationScheme Fp8Tensor { get; } = new(ElementFormat.Float8E4M3, ScaleGranularity.Tensor);

    /// <summary>FP8 weights with one scale for each output channel.</summary>
    public static QuantizationScheme Fp8Channel { get; } = new(ElementFormat.Float8E4M3, ScaleGranularity.Channel);

    /// <summary>FP8 activations with one scale for each token.</summary>
    public static QuantizationScheme Fp8Token { get; } = new(ElementFormat.Float8E4M3, ScaleGranularity.Token);

    /// <summary>INT8 activations with one scale for each 128 elements of a token.</summary>
    public static QuantizationScheme Int8TokenGroup128 { get; } = new(ElementFormat.Int8, ScaleGranularity.TokenGroup, new BlockShape(1, 128));

    /// <summary>INT8 weights with one scale for each 128×128 block.</summary>
    public static QuantizationScheme Int8Block128 { get; } = new(ElementFormat.Int8, ScaleGranularity.Block, new BlockShape(128, 128));

    /// <summary>How much shares one scale.</summary>
    public ScaleGranularity Granularity { get; init; } = Require(Granularity, Block);

    /// <summary>The value of the largest code: a block's scale is its amax divided by this.</summary>
    public float MaxCode => Format == ElementFormat.Float8E4M3 ? 448f : 127f;

    /// <summary>Rows and columns of a matrix [<paramref name="rows"/>, <paramref name="columns"/>] that one scale covers, each at least 1.</summary>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Columns of the matrix.</param>
    public (long Rows, long Columns) BlockOf(long rows, long columns) => Granularity switch
    {
        ScaleGranularity.Tensor => (Math.Max(rows, 1), Math.Max(columns, 1)),
        ScaleGranularity.Channel or ScaleGranularity.Token => (1, Math.Max(columns, 1)),
        _ => (Block.Rows, Block.Columns),
    };

    /// <summary>The shape of the scales of a matrix, or of a shard of one that starts inside a block.</summary>
    /// <param name="rows">Rows of the codes.</param>
    /// <param name="columns">Columns of the codes.</param>
    /// <param name="rowOffset">Rows of the first block that lie before the shard.</param>
    /// <param name="columnOffset">Columns of the first block that lie before the shard.</param>
    /// <exception cref="ArgumentException">An extent is negative, or an offset is not inside one block.</exception>
    public (long Rows, long Columns) ScaleShape(long rows, long columns, int rowOffset = 0, int columnOffset = 0)
    {
        if (rows < 0 || columns < 0)
        {
            throw new ArgumentException($"codes: shape [{rows}, {columns}]; expected extents of at least 0.");
        }

        // A scale that covers a whole row or matrix has no block for a shard to start inside of.
        (long offsetRows, long offsetColumns) = Granularity switch
        {
            ScaleGranularity.Tensor or ScaleGranularity.Channel or ScaleGranularity.Token => (1, 1),
            _ => BlockOf(rows, columns),
        };
        if (rowOffset < 0 || rowOffset >= offsetRows || columnOffset < 0 || columnOffset >= offsetColumns)
        {
            throw new ArgumentException(
                $"scale offset: [{rowOffset}, {columnOffset}]; expected a place inside one block of [{offsetRows}, {offsetColumns}].");
        }

        (long blockRows, long blockColumns) = BlockOf(rows, columns);
        return Granularity == ScaleGranularity.Tensor
            ? (1, 1)
            : (Blocks(rows, rowOffset, blockRows), Granularity is ScaleGranularity.Channel or ScaleGranularity.Token ? 1 : Blocks(columns, columnOffset, blockColumns));
    }

    private static ScaleGranularity Require(ScaleGranularity granularity, BlockShape block)
        => granularity is ScaleGranularity.TokenGroup or ScaleGranularity.Block && block == default
            ? throw new ArgumentException($"Block: missing; expected the block that one scale covers, because the granularity is {granularity}.")
            : granularity;

    /// <summary>Blocks that an extent touches; none if it is empty, wherever it starts.</summary>
    private static long Blocks(long extent, int offset, long block)
        => extent == 0 ? 0 : (long)(((ulong)extent - 1 + (ulong)offset) / (ulong)block) + 1;
}
