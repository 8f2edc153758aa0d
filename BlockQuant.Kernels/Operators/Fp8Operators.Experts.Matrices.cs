using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant;

/// <content>The expert products over operands that own their memory, with ids and offsets that the host has.</content>
public sealed partial class Fp8Operators
{
    /// <summary>C[s] = A[s] · B[expertIds[s]]ᵀ, finished when it returns.</summary>
    /// <param name="activations">A [S, K] of BFloat16, Half or Single.</param>
    /// <param name="weights">B [E, N, K].</param>
    /// <param name="expertIds">The expert of each row [S].</param>
    /// <param name="overrides">The kernel family.</param>
    /// <returns>C [S, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or an id is no expert; the message says which.</exception>
    public DeviceMatrix<T> MultiplyBatched<T>(
        DeviceMatrix<T> activations, ExpertWeights<Float8E4M3> weights, ReadOnlySpan<int> expertIds, TilePlanOverrides? overrides = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        ExpertIndices.RequireIds(expertIds, weights.Experts);
        using DeviceBuffer<int> ids = device.Upload(expertIds);
        using DeviceBuffer<int> workspace = device.Allocate<int>(BatchedWorkspaceLength(activations.Rows, weights.View));
        return Result.Finished(
            device,
            new DeviceMatrix<T>(device, activations.Rows, weights.Rows),
            c => MultiplyBatched(activations.View, weights.View, ids.View, c.View, workspace.View, default, overrides));
    }

    /// <summary>C = A · Bᵀ over rows that are sorted by expert, finished when it returns.</summary>
    /// <param name="activations">A [S, K] of BFloat16, Half or Single, sorted by expert.</param>
    /// <param name="weights">B [E, N, K].</param>
    /// <param name="offsets">Cumulative rows: where each expert's rows end [E], or an indptr [E + 1] that begins with 0.</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [S, N], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type, scheme, offset or plan does not fit; the message says which.</exception>
    public DeviceMatrix<T> MultiplyGrouped<T>(
        DeviceMatrix<T> activations, ExpertWeights<Float8E4M3> weights, ReadOnlySpan<int> offsets, TilePlanOverrides? overrides = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        return Grouped<T>(
            weights, offsets, activations.Rows, GroupedWorkspaceLength(activations.Rows, weights.View), (ends, output, workspace) => MultiplyGrouped(activations.View, weights.View, ends, output, workspace, default, overrides));
    }

    /// <summary>C = A · Bᵀ over pre-quantized rows that are sorted by expert, finished when it returns.</summary>
    /// <param name="activations">A [S, K], sorted by expert.</param>
    /// <param name="weights">B [E, N, K].</param>
    /// <param name="offsets">Cumulative rows: an indptr [E + 1] that begins with 0, or where each expert's rows end [E].</param>
    /// <param name="overrides">Parts of the tile plan to fix.</param>
    /// <returns>C [S, N] of BFloat16, Half or Single, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape, element type, scheme, offset or plan does not fit; the message says which.</exception>
    public DeviceMatrix<T> MultiplyGrouped<T>(
        QuantizedDeviceMatrix<Float8E4M3> activations, ExpertWeights<Float8E4M3> weights, ReadOnlySpan<int> offsets, TilePlanOverrides? overrides = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(weights);
        return Grouped<T>(
            weights, offsets, activations.Rows, GroupedWorkspaceLength(weights.Experts), (ends, output, workspace) => MultiplyGrouped(activations.View, weights.View, ends, output, workspace, default, overrides));
    }

    private DeviceMatrix<T> Grouped<T>(
        ExpertWeights<Float8E4M3> weights, ReadOnlySpan<int> offsets, long rows, long workspaceLength, Action<ArrayView<int>, MatrixView<T>, ArrayView<int>> multiply)
        where T : unmanaged
    {
        ExpertIndices.RequireOffsets(offsets, weights.Experts, rows);
        using DeviceBuffer<int> ends = device.Upload(offsets);
        using DeviceBuffer<int> workspace = device.Allocate<int>(workspaceLength);
        return Result.Finished(device, new DeviceMatrix<T>(device, rows, weights.Rows), c => multiply(ends.View, c.View, workspace.View));
    }
}
