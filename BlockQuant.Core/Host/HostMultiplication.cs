namespace BlockQuant.Host;

/// <summary>Products of quantized matrices on the processor, on the widest vectors it has and on all cores.</summary>
public static unsafe class HostMultiplication
{
    /// <summary>C = A·Bᵀ + bias, with float32 accumulation over at most 128 of K inside each scale block, then scaled and added in float32.</summary>
    /// <param name="activations">A [M, K], of any granularity and shard offset.</param>
    /// <param name="weights">B [N, K] of the same format, of any granularity and shard offset.</param>
    /// <param name="output">Gets C [M, N], row after row, of BFloat16, Half or Single.</param>
    /// <param name="bias">[N], added to every row; empty for none.</param>
    /// <exception cref="ArgumentException">A shape, format or element type does not fit, or the output overlaps an operand.</exception>
    /// <remarks>
    /// Source: finegrained-fp8 <c>w8a8_block_fp8_matmul</c> and the block-wise INT8 <c>int8_gemm</c>. M, N and K need not be multiples of
    /// anything. The order of an element's sum depends on K, the scale blocks and the machine's vector instructions alone, so a row of C is the
    /// same whatever the other rows are and however many, bit for bit. A sum of INT8 inside a scale block is exact.
    /// </remarks>
    public static void Multiply<T>(QuantizedMatrix activations, QuantizedMatrix weights, Span<T> output, ReadOnlySpan<float> bias = default)
        where T : unmanaged
        => Multiply(activations, weights, output, bias, HostVectors.Widest);

    internal static void Multiply<T>(
        QuantizedMatrix activations, QuantizedMatrix weights, Span<T> output, ReadOnlySpan<float> bias, VectorWidth width)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        if (weights.Columns != activations.Columns)
        {
            throw new ArgumentException(
                $"weights: shape [{weights.Rows}, {weights.Columns}]; expected [N, {activations.Columns}], the K of activations.", nameof(weights));
        }

        if (weights.Scheme.Format != activations.Scheme.Format)
        {
            throw new ArgumentException($"weights: format {weights.Scheme.Format}; expected {activations.Scheme.Format}, that of activations.", nameof(weights));
        }

        if (!bias.IsEmpty && bias.Length != weights.Rows)
        {
            throw new ArgumentException($"bias: length {bias.Length}; expected {weights.Rows}.", nameof(bias));
        }

        HostSpans.RequireLength(output.Length, activations.Rows, weights.Rows, nameof(output));
        HostSpans.RequireDisjoint(output, nameof(output), activations.Codes.Span, "activation codes");
        HostSpans.RequireDisjoint(output, nameof(output), activations.Scales.Span, "activation scales");
        HostSpans.RequireDisjoint(output, nameof(output), weights.Codes.Span, "weight codes");
        HostSpans.RequireDisjoint(output, nameof(output), weights.Scales.Span, "weight scales");
        HostSpans.RequireDisjoint(output, nameof(output), bias, nameof(bias));
        HostElementKind kind = HostSpans.ElementKind<T>(nameof(output));
        fixed (byte* left = activations.Codes.Span)
        fixed (float* leftScales = activations.Scales.Span)
        fixed (byte* right = weights.Codes.Span)
        fixed (float* rightScales = weights.Scales.Span)
        fixed (T* values = output)
        fixed (float* biasValues = bias)
        {
            HostOperand a = HostOperand.Of(activations, left, leftScales, width);
            HostOperand b = HostOperand.Of(weights, right, rightScales, width);
            var sink = new HostSink
            {
                Element = HostElement.Of(kind, width),
                Output = (byte*)values,
                RowStride = weights.Rows,
                Bias = biasValues,
            };
            HostProduct.Run(a, b, sink, new HostRows(0, null, activations.Rows), weights.Rows, 0, weights.Columns, width);
        }
    }
}
