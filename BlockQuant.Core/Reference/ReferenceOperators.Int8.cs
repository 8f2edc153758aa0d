namespace BlockQuant.Reference;

public static partial class ReferenceOperators
{
    /// <summary>The smallest scale of an output that an operator quantizes as it computes it.</summary>
    private const float MinOutputScale = 1e-8f;

    /// <summary>C = A·Bᵀ + bias, quantized per row and group of columns: <c>int8_gemm_quant</c> and <c>int8_addmm_quant</c>.</summary>
    /// <remarks>The product is rounded to float32, then quantized as <see cref="QuantizeInt8"/> does, with the scale at least 1e-8.</remarks>
    /// <param name="a">A [M, K], INT8.</param>
    /// <param name="b">B [N, K], INT8.</param>
    /// <param name="outputScheme">How C [M, N] is quantized, INT8.</param>
    /// <param name="rounding">How C / scale becomes an integer.</param>
    /// <param name="bias">[N], added to every row; empty for none.</param>
    /// <exception cref="ArgumentException">A format is not INT8, or a shape does not fit.</exception>
    public static QuantizedMatrix MultiplyQuantizeInt8(
        QuantizedMatrix a,
        QuantizedMatrix b,
        QuantizationScheme outputScheme,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        ReadOnlySpan<float> bias = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        RequireFormat(a.Scheme, ElementFormat.Int8);
        RequireFormat(b.Scheme, ElementFormat.Int8);
        RequireFormat(outputScheme, ElementFormat.Int8);
        return QuantizeOutput(Multiply(a, b, bias), a.Rows, b.Rows, outputScheme, rounding);
    }

    /// <summary>GELU of a quantized matrix, quantized again: <c>int8_gelu</c>.</summary>
    /// <remarks>Dequantized exactly, <see cref="Gelu"/> in float64, rounded to float32, then quantized with the scale at least 1e-8.</remarks>
    /// <param name="x">The matrix, INT8.</param>
    /// <param name="outputScheme">How the result is quantized, INT8.</param>
    /// <param name="rounding">How y / scale becomes an integer.</param>
    /// <exception cref="ArgumentException">A format is not INT8.</exception>
    public static QuantizedMatrix GeluInt8(QuantizedMatrix x, QuantizationScheme outputScheme, RoundingMode rounding = RoundingMode.ReferenceCompatible)
    {
        ArgumentNullException.ThrowIfNull(x);
        RequireFormat(x.Scheme, ElementFormat.Int8);
        RequireFormat(outputScheme, ElementFormat.Int8);
        return QuantizeOutput(Array.ConvertAll(Dequantize(x), Gelu), x.Rows, x.Columns, outputScheme, rounding);
    }

    /// <summary>The Gaussian error linear unit by its definition, x·Φ(x) = x/2·(1 + erf(x/√2)) (Hendrycks and Gimpel, 2016).</summary>
    /// <param name="x">Any number; −∞ gives 0, its limit.</param>
    public static double Gelu(double x) => double.IsNegativeInfinity(x) ? 0 : x / 2 * (1 + Erf(x / Math.Sqrt(2)));

    /// <summary>The error function to about 1e-15, by Kummer's series, whose terms are all of one sign.</summary>
    private static double Erf(double x)
    {
        // Beyond 6, erf differs from ±1 by less than float64 can tell.
        if (!(Math.Abs(x) < 6))
        {
            return double.IsNaN(x) ? x : Math.Sign(x);
        }

        // erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!
        double term = x;
        double sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-17; n++)
        {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    private static QuantizedMatrix QuantizeOutput(double[] values, long rows, long columns, QuantizationScheme scheme, RoundingMode rounding) =>
        Quantize(Array.ConvertAll(values, value => (float)value), rows, columns, scheme, 0, 0, MinOutputScale, 0, Int8Encoder(rounding));
}
