using BlockQuant.Storage;

namespace BlockQuant;

/// <summary>A quantized matrix [<see cref="Rows"/>, <see cref="Columns"/>] in host memory: eight-bit codes, row after row, and their scales.</summary>
/// <remarks>The value of an element is code × scale of its block.</remarks>
public sealed class QuantizedMatrix
{
    /// <summary>Puts codes and scales together.</summary>
    /// <param name="codes">rows × columns codes, row after row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scales">The scales, row after row, of the shape that <paramref name="scheme"/> gives the codes.</param>
    /// <param name="scheme">What the codes mean and which share a scale.</param>
    /// <param name="scaleRowOffset">Rows of the first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of the first scale block that lie before this shard.</param>
    /// <exception cref="ArgumentException">A length does not fit the shape; the message names the operand.</exception>
    public QuantizedMatrix(
        ReadOnlyMemory<byte> codes,
        long rows,
        long columns,
        ReadOnlyMemory<float> scales,
        QuantizationScheme scheme,
        int scaleRowOffset = 0,
        int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        (ScaleRows, ScaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        if (codes.Length != (Int128)rows * columns)
        {
            throw new ArgumentException($"codes: length {codes.Length}; expected {rows} x {columns}.", nameof(codes));
        }

        if (scales.Length != (Int128)ScaleRows * ScaleColumns)
        {
            throw new ArgumentException($"scales: length {scales.Length}; expected {ScaleRows} x {ScaleColumns}.", nameof(scales));
        }

        Codes = codes;
        Rows = rows;
        Columns = columns;
        Scales = scales;
        Scheme = scheme;
        ScaleRowOffset = scaleRowOffset;
        ScaleColumnOffset = scaleColumnOffset;
    }

    /// <summary>The codes, row after row.</summary>
    public ReadOnlyMemory<byte> Codes { get; }

    /// <summary>Rows.</summary>
    public long Rows { get; }

    /// <summary>Columns.</summary>
    public long Columns { get; }

    /// <summary>The scales, row after row.</summary>
    public ReadOnlyMemory<float> Scales { get; }

    /// <summary>Rows of the scales.</summary>
    public long ScaleRows { get; }

    /// <summary>Columns of the scales.</summary>
    public long ScaleColumns { get; }

    /// <summary>What the codes mean and which share a scale.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>Rows of the first scale block that lie before this shard.</summary>
    public int ScaleRowOffset { get; }

    /// <summary>Columns of the first scale block that lie before this shard.</summary>
    public int ScaleColumnOffset { get; }

    /// <summary>
    /// Reads a weight and its scales from a checkpoint in DeepSeek's layout: <c>NAME</c> and <c>NAME_scale_inv</c>, or, where
    /// there is no tensor of that name, <c>NAME.weight</c> and <c>NAME.weight_scale_inv</c>.
    /// </summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="weightName">The weight, F8_E4M3 or I8 [N, K]. Its scales are F32: [scale rows, scale columns], [N], or one number.</param>
    /// <param name="block">
    /// The scale block. Left out, it is told from the shapes: 128×128 if that fits; else one scale is per tensor and N scales
    /// are per channel; else, along each side, 128, a power of two or an exact quotient, whichever fits first.
    /// </param>
    /// <exception cref="SafetensorsException">A tensor is missing or has another dtype or shape; the message says what was found and expected.</exception>
    public static QuantizedMatrix FromSafetensors(SafetensorsFile file, string weightName, BlockShape? block = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(weightName);
        return CheckpointWeight.Read(file, weightName, block);
    }

    /// <summary>Reads a weight and its scales from a checkpoint, which may be of many files.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="weightName">As for <see cref="FromSafetensors"/>; weight and scales need not be in one file.</param>
    /// <param name="block">As for <see cref="FromSafetensors"/>.</param>
    /// <exception cref="SafetensorsException">A tensor is missing or has another dtype or shape; the message says what was found and expected.</exception>
    public static QuantizedMatrix FromCheckpoint(Checkpoint checkpoint, string weightName, BlockShape? block = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(weightName);
        return CheckpointWeight.Read(checkpoint, weightName, block);
    }
}
