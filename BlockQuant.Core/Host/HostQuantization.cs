namespace BlockQuant.Host;

/// <summary>Quantization on the processor, on the widest vectors it has and on all cores. Results equal the kernels' bit for bit.</summary>
public static unsafe class HostQuantization
{
    /// <summary>
    /// Quantizes a matrix: the scale of a block is amax × (1 / 448) for FP8 or amax × (1 / 127) for INT8, at least 1e-12, and a code is value / scale,
    /// rounded and saturated.
    /// </summary>
    /// <param name="source">The matrix [rows, columns], row after row, of BFloat16, Half or Single.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scheme">The format, and what one scale covers.</param>
    /// <param name="codes">Gets rows × columns codes.</param>
    /// <param name="scales">Gets the scales, row after row, of the shape that <paramref name="scheme"/> gives the matrix.</param>
    /// <param name="rounding">How INT8 rounds; FP8 always rounds to nearest even.</param>
    /// <exception cref="ArgumentException">A length does not fit the shape, spans overlap, or the element type is another one.</exception>
    /// <remarks>
    /// Source: finegrained-fp8 <c>fp8_act_quant</c> and the DeepSeek-V3 weight blocks. A block with NaN gets the scale NaN, one with ±∞ the
    /// scale +∞; every code of either is 0x7F (FP8) or 0 (INT8).
    /// </remarks>
    public static void Quantize<T>(
        ReadOnlySpan<T> source,
        long rows,
        long columns,
        QuantizationScheme scheme,
        Span<byte> codes,
        Span<float> scales,
        RoundingMode rounding = RoundingMode.ReferenceCompatible)
        where T : unmanaged
        => Quantize(source, rows, columns, scheme, codes, scales, rounding, HostVectors.Widest);

    /// <summary>Output = code × scale of its block, in float32, then rounded to the element type.</summary>
    /// <param name="codes">rows × columns codes, row after row.</param>
    /// <param name="scales">The scales, row after row, of the shape that <paramref name="scheme"/> gives the matrix.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scheme">The format, and what one scale covers.</param>
    /// <param name="output">Gets the matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <exception cref="ArgumentException">A length does not fit the shape, spans overlap, or the element type is another one.</exception>
    public static void Dequantize<T>(
        ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, long rows, long columns, QuantizationScheme scheme, Span<T> output)
        where T : unmanaged
        => Dequantize(codes, scales, rows, columns, scheme, output, HostVectors.Widest);

    internal static void Quantize<T>(
        ReadOnlySpan<T> source,
        long rows,
        long columns,
        QuantizationScheme scheme,
        Span<byte> codes,
        Span<float> scales,
        RoundingMode rounding,
        VectorWidth width)
        where T : unmanaged
    {
        ScaleGrid grid = RequireShapes(rows, columns, scheme, codes.Length, scales.Length, source.Length, nameof(source));
        HostSpans.RequireDisjoint(codes, nameof(codes), source, nameof(source));
        HostSpans.RequireDisjoint(scales, nameof(scales), source, nameof(source));
        HostSpans.RequireDisjoint(scales, nameof(scales), (ReadOnlySpan<byte>)codes, nameof(codes));
        HostQuantizer quantizer = HostQuantizer.Of(HostSpans.ElementKind<T>(nameof(source)), Format(scheme.Format, rounding), width);
        fixed (T* values = source)
        fixed (byte* codeBytes = codes)
        fixed (float* scaleValues = scales)
        {
            if (scheme.Granularity != ScaleGranularity.Tensor)
            {
                quantizer.Quantize((byte*)values, codeBytes, scaleValues, grid);
                return;
            }

            int amax = 0;
            quantizer.MaxMagnitude((byte*)values, source.Length, &amax);
            scaleValues[0] = quantizer.Scale(amax);
            quantizer.QuantizeWithScale((byte*)values, codeBytes, source.Length, scaleValues[0]);
        }
    }

    internal static void Dequantize<T>(
        ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, long rows, long columns, QuantizationScheme scheme, Span<T> output, VectorWidth width)
        where T : unmanaged
    {
        ScaleGrid grid = RequireShapes(rows, columns, scheme, codes.Length, scales.Length, output.Length, nameof(output));
        HostSpans.RequireDisjoint(output, nameof(output), codes, nameof(codes));
        HostSpans.RequireDisjoint(output, nameof(output), scales, nameof(scales));
        HostFormatKind format = Format(scheme.Format, RoundingMode.ReferenceCompatible);
        HostQuantizer quantizer = HostQuantizer.Of(HostSpans.ElementKind<T>(nameof(output)), format, width);
        fixed (byte* codeBytes = codes)
        fixed (float* scaleValues = scales)
        fixed (T* values = output)
        {
            quantizer.Dequantize(codeBytes, scaleValues, (byte*)values, grid);
        }
    }

    private static HostFormatKind Format(ElementFormat format, RoundingMode rounding) => (format, rounding) switch
    {
        (ElementFormat.Float8E4M3, _) => HostFormatKind.Float8,
        (_, RoundingMode.ReferenceCompatible) => HostFormatKind.Int8Truncated,
        (_, RoundingMode.Nearest) => HostFormatKind.Int8Nearest,
        _ => throw new ArgumentException($"rounding: {rounding}; expected ReferenceCompatible or Nearest.", nameof(rounding)),
    };

    private static ScaleGrid RequireShapes(
        long rows, long columns, QuantizationScheme scheme, int codes, int scales, int values, string valuesName)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        ScaleGrid grid = ScaleGrid.Of(rows, columns, scheme);
        HostSpans.RequireLength(values, rows, columns, valuesName);
        HostSpans.RequireLength(codes, rows, columns, nameof(codes));
        HostSpans.RequireLength(scales, grid.ScaleRows, grid.ScaleColumns, nameof(scales));
        return grid;
    }
}
