using BlockQuant.Scheduling;

namespace BlockQuant;

/// <content>The same operators over matrices that own their memory: each allocates its result, float16 unless asked otherwise, on the operators' device, where its operands must be.</content>
public sealed partial class Int8Operators
{
    /// <summary>Quantizes a matrix: scale = amax / 127 (not below 1e-12) of each block, code = value / scale.</summary>
    /// <param name="source">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <returns>Codes [rows, columns] and scales, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The element type or scheme does not fit.</exception>
    public QuantizedDeviceMatrix<sbyte> Quantize<T>(
        DeviceMatrix<T> source, QuantizationScheme scheme, RoundingMode rounding = RoundingMode.ReferenceCompatible)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        var result = new QuantizedDeviceMatrix<sbyte>(device, source.Rows, source.Columns, scheme);
        return Result.Filled(result, r => Quantize(source.View, r.View, rounding));
    }

    /// <summary>Output = code × scale of its block, in float16.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <returns>The matrix [rows, columns], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The format is not INT8.</exception>
    public DeviceMatrix<Half> Dequantize(QuantizedDeviceMatrix<sbyte> source) => Dequantize<Half>(source);

    /// <summary>Output = code × scale of its block.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <typeparam name="T">BFloat16, Half or Single.</typeparam>
    /// <returns>The matrix [rows, columns], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The element type does not fit.</exception>
    public DeviceMatrix<T> Dequantize<T>(QuantizedDeviceMatrix<sbyte> source)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        return Result.Filled(new DeviceMatrix<T>(device, source.Rows, source.Columns), r => Dequantize(source.View, r.View));
    }

    /// <summary>C = A · Bᵀ in float16, exact inside each scale block.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [M, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<Half> Multiply(
        QuantizedDeviceMatrix<sbyte> activations, QuantizedDeviceMatrix<sbyte> weights, TilePlanOverrides? overrides = null)
        => Multiply<Half>(activations, weights, overrides);

    /// <summary>C = A · Bᵀ, exact inside each scale block.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <typeparam name="T">BFloat16, Half or Single.</typeparam>
    /// <returns>C [M, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<T> Multiply<T>(
        QuantizedDeviceMatrix<sbyte> activations, QuantizedDeviceMatrix<sbyte> weights, TilePlanOverrides? overrides = null)
        where T : unmanaged
        => MultiplyAdd<T>(activations, weights, null, overrides);

    /// <summary>C = A · Bᵀ + bias in float16.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="bias">One value for each of the N columns, or null.</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [M, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<Half> MultiplyAdd(
        QuantizedDeviceMatrix<sbyte> activations,
        QuantizedDeviceMatrix<sbyte> weights,
        DeviceBuffer<float>? bias,
        TilePlanOverrides? overrides = null)
        => MultiplyAdd<Half>(activations, weights, bias, overrides);

    /// <summary>C = A · Bᵀ + bias, the bias added in float32 before the result is rounded.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="bias">One value for each of the N columns, or null.</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <typeparam name="T">BFloat16, Half or Single.</typeparam>
    /// <returns>C [M, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<T> MultiplyAdd<T>(
        QuantizedDeviceMatrix<sbyte> activations,
        QuantizedDeviceMatrix<sbyte> weights,
        DeviceBuffer<float>? bias,
        TilePlanOverrides? overrides = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        var result = new DeviceMatrix<T>(device, activations.Rows, weights.Rows);
        return Result.Filled(result, r => MultiplyAdd(activations.View, weights.View, bias?.View ?? default, r.View, overrides));
    }

    /// <summary>C = A · Bᵀ, quantized per row and output block in the same pass: scale = amax / 127, not below 1e-8.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="scheme">One scale a row and block of columns, at most 512 wide.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C, codes [M, N] and scales, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or scheme does not fit, or the plan is impossible.</exception>
    public QuantizedDeviceMatrix<sbyte> MultiplyQuantize(
        QuantizedDeviceMatrix<sbyte> activations,
        QuantizedDeviceMatrix<sbyte> weights,
        QuantizationScheme scheme,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        TilePlanOverrides? overrides = null)
        => MultiplyAddQuantize(activations, weights, null, scheme, rounding, overrides);

    /// <summary>C = A · Bᵀ + bias, quantized per row and output block in the same pass: scale = amax / 127, not below 1e-8.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="bias">One value for each of the N columns, or null.</param>
    /// <param name="scheme">One scale a row and block of columns, at most 512 wide.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C, codes [M, N] and scales, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or scheme does not fit, or the plan is impossible.</exception>
    public QuantizedDeviceMatrix<sbyte> MultiplyAddQuantize(
        QuantizedDeviceMatrix<sbyte> activations,
        QuantizedDeviceMatrix<sbyte> weights,
        DeviceBuffer<float>? bias,
        QuantizationScheme scheme,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        TilePlanOverrides? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        var result = new QuantizedDeviceMatrix<sbyte>(device, activations.Rows, weights.Rows, scheme);
        return Result.Filled(result, r => MultiplyAddQuantize(activations.View, weights.View, bias?.View ?? default, r.View, rounding, overrides));
    }

    /// <summary>Dequantizes, applies GELU with the exact error function, and quantizes, in one kernel.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <param name="scheme">The output's: one scale a row and block of columns.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <returns>Codes [rows, columns] and scales, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The scheme does not fit.</exception>
    public QuantizedDeviceMatrix<sbyte> Gelu(
        QuantizedDeviceMatrix<sbyte> source, QuantizationScheme scheme, RoundingMode rounding = RoundingMode.ReferenceCompatible)
    {
        ArgumentNullException.ThrowIfNull(source);
        var result = new QuantizedDeviceMatrix<sbyte>(device, source.Rows, source.Columns, scheme);
        return Result.Filled(result, r => Gelu(source.View, r.View, rounding));
    }
}
