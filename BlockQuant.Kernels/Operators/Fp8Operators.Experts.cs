using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <content>Products of rows with the weights of their experts.</content>
public sealed partial class Fp8Operators
{
    /// <summary>C[s] = A[s] · B[expertIds[s]]ᵀ: every row by the weights of its own expert, quantized on the way. For few rows (decode).</summary>
    /// <param name="activations">A [S, K] of BFloat16, Half or Single.</param>
    /// <param name="weights">B, codes [E, N, K], with scales of any granularity.</param>
    /// <param name="expertIds">The expert of each row [S].</param>
    /// <param name="output">C [S, N] of A's type.</param>
    /// <param name="workspace">At least as many integers as <see cref="BatchedWorkspaceLength"/> says; empty where it says 0.</param>
    /// <param name="status">Gets the first id that is no expert, see <see cref="DeviceStatus"/>; empty to leave it untold.</param>
    /// <param name="overrides">The kernel family; null leaves it to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the workspace is too short, the output or the workspace overlaps an operand, or the kernel
    /// family cannot run.
    /// </exception>
    /// <remarks>
    /// Source: finegrained-fp8 <c>w8a8_block_fp8_matmul_batched</c>, and <c>w8a8_tensor_fp8_matmul_batched</c> where the weights have one scale an
    /// expert. A row's scales cover the columns that one weight scale covers: K where it covers a whole row. No weights are copied. A row whose
    /// id is no expert is left as it was. A row of C does not depend on the other rows, bit for bit, within one plan.
    /// </remarks>
    public void MultiplyBatched<T>(
        MatrixView<T> activations,
        ExpertWeightsView<Float8E4M3> weights,
        ArrayView<int> expertIds,
        MatrixView<T> output,
        ArrayView<int> workspace,
        ArrayView<int> status = default,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => ExpertMultiplication.Batched<Float8E4M3, T, Float8Format>(
            device, activations, weights, expertIds, output, ElementFormat.Float8E4M3, workspace, status, overrides, stream);

    /// <summary>Integers of workspace that <see cref="MultiplyBatched{T}(MatrixView{T}, ExpertWeightsView{Float8E4M3}, ArrayView{int}, MatrixView{T}, ArrayView{int}, ArrayView{int}, TilePlanOverrides, AcceleratorStream)"/> needs on this device.</summary>
    /// <param name="rows">S.</param>
    /// <param name="weights">B.</param>
    /// <returns>0 where the portable kernel runs; on tensor cores, space for the quantized rows and where each of them goes.</returns>
    /// <exception cref="ArgumentException">The number of rows is negative or passes 2³¹ − 1, or the weights are no weights on this device.</exception>
    public long BatchedWorkspaceLength(long rows, ExpertWeightsView<Float8E4M3> weights)
    {
        ExpertMultiplication.RequireSizes(device, rows, weights, ElementFormat.Float8E4M3);
        HopperPlan? plan = TileScheduler.PlanBatched(
            rows, weights.Experts, weights.Rows, weights.Columns, device.Traits, null, HopperExperts.FitsBatched(weights));
        return plan is null ? 0 : HopperExperts.BatchedWorkspaceLength(rows, weights);
    }

    /// <summary>C = A · Bᵀ over rows that are sorted by expert, each by the weights of its expert, quantized on the way.</summary>
    /// <param name="activations">A [S, K] of BFloat16, Half or Single, sorted by expert.</param>
    /// <param name="weights">B, codes [E, N, K], with scales of any granularity.</param>
    /// <param name="offsets">Cumulative rows: where each expert's rows end [E], or an indptr [E + 1] that begins with 0.</param>
    /// <param name="output">C [S, N] of A's type.</param>
    /// <param name="workspace">At least as many integers as <see cref="GroupedWorkspaceLength(long, ExpertWeightsView{Float8E4M3})"/> says.</param>
    /// <param name="status">Gets the first wrong offset, see <see cref="DeviceStatus"/>; empty to leave it untold.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the output overlaps an operand, or the overrides make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: finegrained-fp8 <c>w8a8_block_fp8_matmul_grouped</c>, and <c>w8a8_tensor_fp8_matmul_grouped</c> where the weights have one scale an
    /// expert. The grid depends on shapes alone, so a captured launch serves any offsets. Offsets that do not begin at 0, that decrease or do not
    /// end at S leave the whole output as it was. A row of C does not depend on the other rows, bit for bit, within one tile plan.
    /// </remarks>
    public void MultiplyGrouped<T>(
        MatrixView<T> activations,
        ExpertWeightsView<Float8E4M3> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        ArrayView<int> workspace,
        ArrayView<int> status = default,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => ExpertMultiplication.Grouped<Float8E4M3, T, Float8Format>(
            device, activations, weights, offsets, output, ElementFormat.Float8E4M3, workspace, status, overrides, stream);

    /// <summary>C = A · Bᵀ over pre-quantized rows that are sorted by expert, each by the weights of its expert.</summary>
    /// <param name="activations">A, codes [S, K] sorted by expert: scales per token group, token or tensor.</param>
    /// <param name="weights">B, codes [E, N, K], with scales of any granularity.</param>
    /// <param name="offsets">Cumulative rows: an indptr [E + 1] that begins with 0, or where each expert's rows end [E].</param>
    /// <param name="output">C [S, N] of BFloat16, Half or Single.</param>
    /// <param name="workspace">At least as many integers as <see cref="GroupedWorkspaceLength(int)"/> says.</param>
    /// <param name="status">Gets the first wrong offset, see <see cref="DeviceStatus"/>; empty to leave it untold.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the output overlaps an operand, or the overrides make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: <c>fp8_groupwise_scaled_group_gemm</c>; its dense form <c>fp8_groupwise_scaled_gemm</c> is
    /// <see cref="Multiply{T}(QuantizedView{Float8E4M3}, QuantizedView{Float8E4M3}, MatrixView{T}, TilePlanOverrides, AcceleratorStream)"/>.
    /// Everything else is as for full-precision rows.
    /// </remarks>
    public void MultiplyGrouped<T>(
        QuantizedView<Float8E4M3> activations,
        ExpertWeightsView<Float8E4M3> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        ArrayView<int> workspace,
        ArrayView<int> status = default,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => ExpertMultiplication.Grouped<Float8E4M3, T, Float8Format>(
            device, activations, weights, offsets, output, ElementFormat.Float8E4M3, workspace, status, overrides, stream);

    /// <summary>Integers of workspace that a grouped product of pre-quantized rows needs, on every device.</summary>
    /// <param name="experts">Experts.</param>
    public static long GroupedWorkspaceLength(int experts)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(experts);
        return ExpertIndices.TileOffsetsLength(experts);
    }

    /// <summary>Integers of workspace that a grouped product of full-precision rows needs on this device.</summary>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="weights">The weights.</param>
    /// <returns>As many as pre-quantized rows need where the portable kernel runs; on tensor cores, space for the quantized rows as well.</returns>
    /// <exception cref="ArgumentException">The number of rows is negative or passes 2³¹ − 1, or the weights are no weights on this device.</exception>
    public long GroupedWorkspaceLength(long rows, ExpertWeightsView<Float8E4M3> weights)
    {
        ExpertMultiplication.RequireSizes(device, rows, weights, ElementFormat.Float8E4M3);
        TilePlan plan = TileScheduler.PlanGrouped(
            rows, weights.Experts, weights.Rows, weights.Columns, device.Traits, null, HopperExperts.Fits(weights));
        return ExpertMultiplication.GroupedWorkspaceLength(plan, rows, weights);
    }

    /// <summary>The plan that a grouped product uses, where operands have the 1×128 and 128×128 scale blocks that tensor cores take.</summary>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="overrides">Parts of the plan to fix.</param>
    public TilePlan PlanGrouped(long rows, int experts, long n, long k, TilePlanOverrides? overrides = null)
        => TileScheduler.PlanGrouped(rows, experts, n, k, device.Traits, overrides, k % HopperMultiplication.RowAlignment == 0);
}
