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
        if (rows < 0 || columns < 0 || codes.Length != checked(rows * columns))
        {
            throw new ArgumentException($"codes: length {codes.Length}; expected {rows} x {columns}.", nameof(codes));
        }

        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        if (scales.Length != scaleRows * scaleColumns)
        {
            throw new ArgumentException($"scales: length {scales.Length}; expected {scaleRows} x {scaleColumns}.", nameof(scales));
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

    /// <summary>What the codes mean and which share a scale.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>Rows of the first scale block that lie before this shard.</summary>
    public int ScaleRowOffset { get; }

    /// <summary>Columns of the first scale block that lie before this shard.</summary>
    public int ScaleColumnOffset { get; }

    /// <summary>Reads an FP8 weight in DeepSeek's layout: <c>NAME</c> (F8_E4M3 [N, K]) and <c>NAME_scale_inv</c> (F32), 128×128 blocks.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="weightName">The weight's name, ending in <c>weight</c>.</param>
    /// <exception cref="ArgumentException">A tensor is missing or has another dtype or shape; the message says what was found and expected.</exception>
    public static QuantizedMatrix FromSafetensors(SafetensorsFile file, string weightName)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(weightName);
        TensorInfo weight = Find(file, weightName, SafetensorsDType.Float8E4M3);
        TensorInfo scales = Find(file, weightName + "_scale_inv", SafetensorsDType.Float32);
        QuantizationScheme scheme = QuantizationScheme.Fp8Block128;
        if (weight.Shape.Length != 2)
        {
            throw new ArgumentException($"{weightName}: shape [{string.Join(", ", weight.Shape)}]; expected [N, K].");
        }

        (long rows, long columns) = scheme.ScaleShape(weight.Shape[0], weight.Shape[1]);
        if (!scales.Shape.AsSpan().SequenceEqual([rows, columns]))
        {
            throw new ArgumentException($"{scales.Name}: shape [{string.Join(", ", scales.Shape)}]; expected [{rows}, {columns}].");
        }

        return new QuantizedMatrix(file.Read<byte>(weightName), weight.Shape[0], weight.Shape[1], file.Read<float>(scales.Name), scheme);
    }

    private static TensorInfo Find(SafetensorsFile file, string name, SafetensorsDType dtype)
    {
        if (!file.TryGet(name, out TensorInfo? tensor))
        {
            throw new ArgumentException($"{name}: not in the file; expected a {dtype} tensor of that name.");
        }

        return tensor.DType == dtype ? tensor : throw new ArgumentException($"{name}: dtype {tensor.DType}; expected {dtype}.");
    }
}
