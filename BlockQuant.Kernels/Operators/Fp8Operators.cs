using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// FP8 (e4m3) operators over views: no allocation, no synchronisation, nothing that a CUDA graph cannot capture. Work is issued to the given
/// stream, or the device's default stream, and has finished when that stream has.
/// </summary>
public sealed partial class Fp8Operators
{
    private readonly ComputeDevice device;

    /// <summary>Operators on a device.</summary>
    /// <param name="device">The device that holds the operands.</param>
    internal Fp8Operators(ComputeDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        this.device = device;
    }

    /// <summary>
    /// Quantizes a matrix: scale = amax / 448 (not below 1e-12) of each block, code = value / scale to nearest even, saturating.
    /// </summary>
    /// <param name="source">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="output">Codes [rows, columns] and scales; its scheme says what one scale covers.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the output overlaps the source.</exception>
    /// <remarks>
    /// amax is multiplied by the float32 reciprocal of 448, as the reference does: its scales come out bit for bit.
    /// Source: finegrained-fp8 <c>fp8_act_quant</c> with <see cref="QuantizationScheme.Fp8TokenGroup128"/>, DeepSeek-V3 weight blocks with
    /// <see cref="QuantizationScheme.Fp8Block128"/>. An all-zero block gets zero codes and the scale 1e-12. A block that holds NaN gets the
    /// scale NaN, one that holds ±Inf the scale +Inf, and both the code 0x7F everywhere.
    /// </remarks>
    public void Quantize<T>(MatrixView<T> source, QuantizedView<Float8E4M3> output, AcceleratorStream? stream = null)
        where T : unmanaged
        => Quantization.Quantize<Float8E4M3, T, Kernels.Portable.Float8Format>(device, source, output, ElementFormat.Float8E4M3, stream);

    /// <summary>Quantizes a matrix by one scale that is already known (static activation quantization).</summary>
    /// <param name="source">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="output">Codes [rows, columns] of a tensor-scaled scheme; its scale is read.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the output overlaps the source.</exception>
    public void QuantizeWithScale<T>(MatrixView<T> source, QuantizedView<Float8E4M3> output, AcceleratorStream? stream = null)
        where T : unmanaged
        => Quantization.QuantizeWithScale<Float8E4M3, T, Kernels.Portable.Float8Format>(device, source, output, ElementFormat.Float8E4M3, stream);

    /// <summary>Output = code × scale of its block.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <param name="output">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape or element type does not fit, or the output overlaps the source.</exception>
    public void Dequantize<T>(QuantizedView<Float8E4M3> source, MatrixView<T> output, AcceleratorStream? stream = null)
        where T : unmanaged
        => Quantization.Dequantize<Float8E4M3, T, Kernels.Portable.Float8Format>(device, source, output, ElementFormat.Float8E4M3, stream);

    /// <summary>C = A · Bᵀ with float32 accumulation inside each scale block, then scaled and added in float32.</summary>
    /// <param name="activations">A, codes [M, K]: scales per token group, token or tensor.</param>
    /// <param name="weights">B, codes [N, K]: scales per block, channel or tensor.</param>
    /// <param name="output">C [M, N] of BFloat16, Half or Single.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the output overlaps an operand, or the overrides make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: finegrained-fp8 <c>w8a8_block_fp8_matmul</c>, and <c>w8a8_tensor_fp8_matmul</c> where both operands are tensor-scaled. M, N and K
    /// need not be multiples of anything. A row of C does not depend on the other rows, bit for bit, within one tile plan.
    /// </remarks>
    public void Multiply<T>(
        QuantizedView<Float8E4M3> activations,
        QuantizedView<Float8E4M3> weights,
        MatrixView<T> output,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => Multiplication.Multiply<Float8E4M3, T, Kernels.Portable.Float8Format>(
            device, activations, weights, output, ElementFormat.Float8E4M3, overrides, stream);

    /// <summary>C = quantize(A) · Bᵀ: activations quantized in token groups of 1×128 on the way.</summary>
    /// <param name="activations">A [M, K] of BFloat16, Half or Single.</param>
    /// <param name="weights">B, codes [N, K]: scales per block, channel or tensor.</param>
    /// <param name="output">C [M, N] of BFloat16, Half or Single.</param>
    /// <param name="workspace">At least as many integers as <see cref="MultiplyWorkspaceLength"/> says; what they hold afterwards is undefined.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the workspace is too short, the output or the workspace overlaps an operand, or the overrides
    /// make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: the FP8 linear layer of Hugging Face's finegrained-fp8, <c>fp8_act_quant</c> and <c>w8a8_block_fp8_matmul</c>. The result is that of
    /// <see cref="Quantize{T}(MatrixView{T}, QuantizedView{Float8E4M3}, AcceleratorStream)"/> with
    /// <see cref="QuantizationScheme.Fp8TokenGroup128"/> and the product of its codes by the same tile plan, bit for bit.
    /// </remarks>
    public void Multiply<TActivation, TOutput>(
        MatrixView<TActivation> activations,
        QuantizedView<Float8E4M3> weights,
        MatrixView<TOutput> output,
        ArrayView<int> workspace,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where TActivation : unmanaged
        where TOutput : unmanaged
        => QuantizingMultiplication.Multiply(device, activations, weights, output, workspace, overrides, stream);

    /// <summary>Integers of workspace that a product of full-precision activations needs, on every device and with every plan.</summary>
    /// <param name="rows">M.</param>
    /// <param name="columns">K.</param>
    /// <exception cref="ArgumentException">A number is negative, or there are more elements than memory may have.</exception>
    public static long MultiplyWorkspaceLength(long rows, long columns) => QuantizingMultiplication.WorkspaceLength(rows, columns);

    /// <summary>The plan that a product of operands in 1×128 and 128×128 scale blocks uses.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="overrides">Parts of the plan to fix.</param>
    public TilePlan Plan(long m, long n, long k, TilePlanOverrides? overrides = null) => TileScheduler.Plan(
        m, n, k, device.Traits, overrides, k % HopperMultiplication.RowAlignment == 0, device.Plans);
}
