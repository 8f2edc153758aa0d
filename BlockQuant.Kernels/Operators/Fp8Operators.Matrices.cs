using BlockQuant.Scheduling;

namespace BlockQuant;

/// <content>The same operators over matrices that own their memory: each allocates its result on the operators' device, where its operands must be.</content>
public sealed partial class Fp8Operators
{
    /// <summary>Quantizes a matrix; see <see cref="Quantize{T}(MatrixView{T}, QuantizedView{Float8E4M3}, ILGPU.Runtime.AcceleratorStream)"/>.</summary>
    /// <param name="source">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <returns>Codes [rows, columns] and scales, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The element type or scheme does not fit.</exception>
    public QuantizedDeviceMatrix<Float8E4M3> Quantize<T>(DeviceMatrix<T> source, QuantizationScheme scheme)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        var result = new QuantizedDeviceMatrix<Float8E4M3>(device, source.Rows, source.Columns, scheme);
        return Result.Filled(result, r => Quantize(source.View, r.View));
    }

    /// <summary>Output = code × scale of its block.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <returns>The matrix [rows, columns] of BFloat16, Half or Single, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The element type does not fit.</exception>
    public DeviceMatrix<T> Dequantize<T>(QuantizedDeviceMatrix<Float8E4M3> source)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        return Result.Filled(new DeviceMatrix<T>(device, source.Rows, source.Columns), r => Dequantize(source.View, r.View));
    }

    /// <summary>C = A · Bᵀ; see <see cref="Multiply{T}(QuantizedView{Float8E4M3}, QuantizedView{Float8E4M3}, MatrixView{T}, TilePlanOverrides, ILGPU.Runtime.AcceleratorStream)"/>.</summary>
    /// <param name="activations">A [M, K].</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [M, N] of BFloat16, Half or Single, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<T> Multiply<T>(
        QuantizedDeviceMatrix<Float8E4M3> activations, QuantizedDeviceMatrix<Float8E4M3> weights, TilePlanOverrides? overrides = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        var result = new DeviceMatrix<T>(device, activations.Rows, weights.Rows);
        return Result.Filled(result, r => Multiply(activations.View, weights.View, r.View, overrides));
    }

    /// <summary>C = quantize(A) · Bᵀ, finished when it returns; see <see cref="Multiply{TActivation, TOutput}(MatrixView{TActivation}, QuantizedView{Float8E4M3}, MatrixView{TOutput}, ILGPU.ArrayView{int}, TilePlanOverrides, ILGPU.Runtime.AcceleratorStream)"/>.</summary>
    /// <param name="activations">A [M, K] of BFloat16, Half or Single.</param>
    /// <param name="weights">B [N, K].</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [M, N] of BFloat16, Half or Single, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the plan is impossible.</exception>
    public DeviceMatrix<TOutput> Multiply<TActivation, TOutput>(
        DeviceMatrix<TActivation> activations, QuantizedDeviceMatrix<Float8E4M3> weights, TilePlanOverrides? overrides = null)
        where TActivation : unmanaged
        where TOutput : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        using DeviceBuffer<int> workspace = device.Allocate<int>(MultiplyWorkspaceLength(activations.Rows, activations.Columns));
        return Result.Finished(
            device,
            new DeviceMatrix<TOutput>(device, activations.Rows, weights.Rows),
            c => Multiply(activations.View, weights.View, c.View, workspace.View, overrides));
    }
}
