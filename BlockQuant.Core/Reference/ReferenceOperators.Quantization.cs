namespace BlockQuant.Reference;

public static partial class ReferenceOperators
{
    /// <summary>The smallest scale a quantizer writes: an all-zero block gives zero codes and this scale.</summary>
    private const float MinScale = 1e-12f;

    private delegate byte Encoder(float scaled);

    /// <summary>FP8 quantization by any granularity: <c>fp8_act_quant</c> of finegrained-fp8 with 1×128 groups, DeepSeek-V3's weights with 128×128 blocks.</summary>
    /// <remarks>
    /// A scale is amax / 448, at least 1e-12; a code is the nearest to x / scale, ties to even, saturated. A block that holds
    /// NaN has the scale NaN (0x7FC00000), one that holds ±∞ but no NaN the scale +∞, and every code of either is NaN, 0x7F.
    /// </remarks>
    /// <param name="x">The matrix [rows, columns].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scheme">An FP8 scheme.</param>
    /// <param name="scaleRowOffset">Rows of the first block that lie before the matrix, for a shard that starts inside a block.</param>
    /// <param name="scaleColumnOffset">Columns of the first block that lie before the matrix.</param>
    /// <exception cref="ArgumentException">The scheme is not FP8, or <paramref name="x"/> has another length than its shape.</exception>
    public static QuantizedMatrix QuantizeFp8(
        ReadOnlySpan<float> x, long rows, long columns, QuantizationScheme scheme, int scaleRowOffset = 0, int scaleColumnOffset = 0)
    {
        RequireFormat(scheme, ElementFormat.Float8E4M3);
        return Quantize(x, rows, columns, scheme, scaleRowOffset, scaleColumnOffset, MinScale, 0x7F, scaled => (byte)Float8Codec.EncodeSaturating(scaled));
    }

    /// <summary>INT8 quantization by any granularity: <c>act_quant</c> of the block-wise INT8 kernels with 1×128 groups, <c>weight_quant</c> with 128×128 blocks.</summary>
    /// <remarks>
    /// A scale is amax / 127, at least 1e-12; a code is x / scale rounded, from −127 to 127. A block that holds NaN or ±∞ has
    /// the scale NaN or +∞, as for FP8, and zero codes, INT8 having no NaN.
    /// </remarks>
    /// <param name="x">The matrix [rows, columns].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scheme">An INT8 scheme.</param>
    /// <param name="rounding">How x / scale becomes an integer.</param>
    /// <param name="scaleRowOffset">Rows of the first block that lie before the matrix, for a shard that starts inside a block.</param>
    /// <param name="scaleColumnOffset">Columns of the first block that lie before the matrix.</param>
    /// <exception cref="ArgumentException">The scheme is not INT8, or <paramref name="x"/> has another length than its shape.</exception>
    public static QuantizedMatrix QuantizeInt8(
        ReadOnlySpan<float> x,
        long rows,
        long columns,
        QuantizationScheme scheme,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        int scaleRowOffset = 0,
        int scaleColumnOffset = 0)
    {
        RequireFormat(scheme, ElementFormat.Int8);
        return Quantize(x, rows, columns, scheme, scaleRowOffset, scaleColumnOffset, MinScale, 0, Int8Encoder(rounding));
    }

    private static Encoder Int8Encoder(RoundingMode rounding) => rounding switch
    {
        RoundingMode.ReferenceCompatible => scaled => (byte)(sbyte)Math.Clamp(MathF.Truncate(scaled), -127f, 127f),
        RoundingMode.Nearest => scaled => (byte)(sbyte)Math.Clamp(MathF.Round(scaled, MidpointRounding.ToEven), -127f, 127f),
        _ => throw new ArgumentException($"rounding: {rounding}; expected ReferenceCompatible or Nearest.", nameof(rounding)),
    };

    private static QuantizedMatrix Quantize(
        ReadOnlySpan<float> x,
        long rows,
        long columns,
        QuantizationScheme scheme,
        int rowOffset,
        int columnOffset,
        float minScale,
        byte notFinite,
        Encoder encode)
    {
        (long blockRows, long blockColumns) = scheme.BlockOf(rows, columns);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns, rowOffset, columnOffset);
        if (x.Length != (Int128)rows * columns)
        {
            throw new ArgumentException($"x: length {x.Length}; expected {rows} x {columns}.", nameof(x));
        }

        // Magnitudes are compared as integers, which orders NaN above ∞ above every number, so a maximum keeps either.
        var amax = new int[checked(scaleRows * scaleColumns)];
        for (int index = 0; index < x.Length; index++)
        {
            ref int blockAmax = ref amax[ScaleIndex(index)];
            blockAmax = Math.Max(blockAmax, BitConverter.SingleToInt32Bits(MathF.Abs(x[index])));
        }

        float[] scales = Array.ConvertAll(amax, bits => Scale(BitConverter.Int32BitsToSingle(bits), scheme.MaxCode, minScale));
        var codes = new byte[x.Length];
        for (int index = 0; index < x.Length; index++)
        {
            float scale = scales[ScaleIndex(index)];
            codes[index] = float.IsFinite(scale) ? encode(x[index] / scale) : notFinite;
        }

        return new QuantizedMatrix(codes, rows, columns, scales, scheme, rowOffset, columnOffset);

        long ScaleIndex(long index) =>
            (index / columns + rowOffset) / blockRows * scaleColumns + (index % columns + columnOffset) / blockColumns;
    }

    /// <summary>The reference systems multiply by the float32 reciprocal, one ulp beside the quotient. NaN's bits differ between machines, so the one that is written is named by its bits.</summary>
    private static float Scale(float amax, float maxCode, float minScale) =>
        float.IsNaN(amax) ? BitConverter.Int32BitsToSingle(0x7FC0_0000) : Math.Max(amax * (1f / maxCode), minScale);

    private static void RequireFormat(QuantizationScheme scheme, ElementFormat format)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        if (scheme.Format != format)
        {
            throw new ArgumentException($"scheme: format {scheme.Format}; expected {format}.", nameof(scheme));
        }
    }
}
