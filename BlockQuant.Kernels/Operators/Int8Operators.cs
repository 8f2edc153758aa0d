using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// INT8 operators over views: no allocation, no synchronisation, nothing that a CUDA graph cannot capture. Work is issued to the given stream, or
/// the device's default stream, and has finished when that stream has.
/// </summary>
/// <remarks>
/// Codes are −127 to 127. Dimensions to the left of the last are one: activations [batch…, M, K] are the rows of a matrix [batch · … · M, K], and so
/// are their scales and outputs. An all-zero block has zero codes and a finite scale. A block that holds NaN has the scale NaN, one that holds ±Inf
/// but no NaN the scale +Inf, and both the code 0 everywhere.
/// </remarks>
public sealed partial class Int8Operators
{
    private readonly ComputeDevice device;

    /// <summary>Operators on a device.</summary>
    /// <param name="device">The device that holds the operands.</param>
    internal Int8Operators(ComputeDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        this.device = device;
    }

    /// <summary>Quantizes a matrix: scale = amax / 127 (not below 1e-12) of each block, code = value / scale.</summary>
    /// <param name="source">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="output">Codes [rows, columns] and scales; its scheme says what one scale covers.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape, element type or scheme does not fit, or the output overlaps the source.</exception>
    /// <remarks>Source: the block-wise INT8 kernels' <c>act_quant</c> (1×128 blocks) and <c>weight_quant</c> (128×128 blocks).</remarks>
    public void Quantize<T>(
        MatrixView<T> source,
        QuantizedView<sbyte> output,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        AcceleratorStream? stream = null)
        where T : unmanaged
    {
        if (Int8Output.IsNearest(rounding))
        {
            Quantization.Quantize<sbyte, T, Int8NearestFormat>(device, source, output, ElementFormat.Int8, stream);
        }
        else
        {
            Quantization.Quantize<sbyte, T, Int8TowardZeroFormat>(device, source, output, ElementFormat.Int8, stream);
        }
    }

    /// <summary>Output = code × scale of its block.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <param name="output">The matrix [rows, columns] of BFloat16, Half or Single.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape or element type does not fit, or the output overlaps the source.</exception>
    /// <remarks>Source: the block-wise INT8 kernels' <c>act_dequant</c> and <c>weight_dequant</c>.</remarks>
    public void Dequantize<T>(QuantizedView<sbyte> source, MatrixView<T> output, AcceleratorStream? stream = null)
        where T : unmanaged
        => Quantization.Dequantize<sbyte, T, Int8TowardZeroFormat>(device, source, output, ElementFormat.Int8, stream);

    /// <summary>C = A · Bᵀ, exact inside each scale block, then scaled and added in float32.</summary>
    /// <param name="activations">A, codes [M, K]: scales per token group, token or tensor.</param>
    /// <param name="weights">B, codes [N, K]: scales per block, channel or tensor.</param>
    /// <param name="output">C [M, N] of BFloat16, Half or Single.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, the scale blocks of both operands are wider than 1024 along K, the output overlaps an operand,
    /// or the overrides make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: the block-wise INT8 kernels' <c>int8_gemm</c>. M, N and K need not be multiples of anything. The products of a block are summed in
    /// float32, which holds the int32 sum exactly up to a depth of 1024.
    /// </remarks>
    public void Multiply<T>(
        QuantizedView<sbyte> activations,
        QuantizedView<sbyte> weights,
        MatrixView<T> output,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => Int8Multiplication.MultiplyAdd(device, activations, weights, default, output, overrides, stream);

    /// <summary>C = A · Bᵀ + bias, the bias added in float32 before the result is rounded.</summary>
    /// <param name="activations">A, codes [M, K].</param>
    /// <param name="weights">B, codes [N, K].</param>
    /// <param name="bias">One value for each of the N columns, or an empty view for none.</param>
    /// <param name="output">C [M, N] of BFloat16, Half or Single.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">As for the product without a bias, or the bias is neither empty nor N long.</exception>
    /// <remarks>Source: the block-wise INT8 kernels' <c>int8_addmm</c>.</remarks>
    public void MultiplyAdd<T>(
        QuantizedView<sbyte> activations,
        QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        MatrixView<T> output,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        where T : unmanaged
        => Int8Multiplication.MultiplyAdd(device, activations, weights, bias, output, overrides, stream);

    /// <summary>C = A · Bᵀ, quantized per row and output block in the same pass: scale = amax / 127, not below 1e-8.</summary>
    /// <param name="activations">A, codes [M, K].</param>
    /// <param name="weights">B, codes [N, K].</param>
    /// <param name="output">C, codes [M, N] and one scale a row and block of columns, at most 512 wide.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape or scheme does not fit, the scale blocks of both operands are wider than 1024 along K, the output overlaps an operand, or the overrides
    /// make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: the block-wise INT8 kernels' <c>int8_gemm_quant</c>. Nothing of full precision is written to device memory; the result equals the
    /// float32 product, then quantized. N need not be a multiple of the block.
    /// </remarks>
    public void MultiplyQuantize(
        QuantizedView<sbyte> activations,
        QuantizedView<sbyte> weights,
        QuantizedView<sbyte> output,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        => Int8Multiplication.MultiplyAddQuantize(device, activations, weights, default, output, rounding, overrides, stream);

    /// <summary>C = A · Bᵀ + bias, quantized per row and output block in the same pass: scale = amax / 127, not below 1e-8.</summary>
    /// <param name="activations">A, codes [M, K].</param>
    /// <param name="weights">B, codes [N, K].</param>
    /// <param name="bias">One value for each of the N columns, or an empty view for none.</param>
    /// <param name="output">C, codes [M, N] and one scale a row and block of columns, at most 512 wide.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="overrides">Parts of the tile plan to fix; null leaves the plan to the library's cost model.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">As for the product without a bias, or the bias is neither empty nor N long.</exception>
    /// <remarks>Source: the block-wise INT8 kernels' <c>int8_addmm_quant</c>.</remarks>
    public void MultiplyAddQuantize(
        QuantizedView<sbyte> activations,
        QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        QuantizedView<sbyte> output,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        TilePlanOverrides? overrides = null,
        AcceleratorStream? stream = null)
        => Int8Multiplication.MultiplyAddQuantize(device, activations, weights, bias, output, rounding, overrides, stream);

    /// <summary>Dequantizes, applies GELU with the exact error function, x / 2 · (1 + erf(x / √2)), and quantizes, in one kernel.</summary>
    /// <param name="source">Codes [rows, columns] and scales of any granularity.</param>
    /// <param name="output">Codes [rows, columns] and one scale a row and block of columns: amax / 127, not below 1e-8.</param>
    /// <param name="rounding">Toward zero, as the reference does, or to nearest even, with half the error.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape or scheme does not fit, or the output overlaps the source.</exception>
    /// <remarks>
    /// Source: the block-wise INT8 kernels' <c>int8_gelu</c>. The error function is <see cref="ErrorFunction.Erf"/>, except on CUDA devices of compute
    /// capability 8.9 and up for rows of 1×128 blocks: there an approximation moves values by less than a hundredth of a code, and so a code by 1, seldom;
    /// and where a source scale is not finite, or a value overflows, the scale is NaN, where elsewhere a block with +Inf and no NaN has the scale +Inf.
    /// </remarks>
    public void Gelu(
        QuantizedView<sbyte> source,
        QuantizedView<sbyte> output,
        RoundingMode rounding = RoundingMode.ReferenceCompatible,
        AcceleratorStream? stream = null)
    {
        Require.Quantized(device, source, ElementFormat.Int8, nameof(source));
        Int8Output.Validate(device, output, source.Rows, source.Columns);
        Require.Disjoint(output.Codes.Data, "output codes", source.Codes.Data, "source codes");
        Require.Disjoint(output.Codes.Data, "output codes", source.Scales.Data, "source scales");
        Require.Disjoint(output.Scales.Data, "output scales", source.Codes.Data, "source codes");
        Require.Disjoint(output.Scales.Data, "output scales", source.Scales.Data, "source scales");
        bool nearest = Int8Output.IsNearest(rounding);
        if (output.Codes.Data.Length == 0)
        {
            Int8Output.LaunchEmpty(device, output, stream);
            return;
        }

        bool launched = nearest
            ? VectorLaunch.TryGelu<Int8NearestFormat>(device, source, output, stream)
            : VectorLaunch.TryGelu<Int8TowardZeroFormat>(device, source, output, stream);
        if (launched)
        {
            return;
        }

        LaunchShape shape = LaunchShapes.Blocks(device.Traits, output.Scales.Data.Length, output.BlockColumns, out int lanesPerBlock);
        var arguments = new BlockGeluArguments
        {
            Source = Operands.Activations(source),
            Codes = output.Codes.Data.Cast<byte>(),
            Scales = output.Scales.Data,
            Rows = source.Rows,
            OutputBlock = output.BlockColumns,
            LanesPerBlock = lanesPerBlock,
        };
        device.Launch(nearest ? GeluKernels.Nearest : GeluKernels.TowardZero, shape, arguments, stream);
    }

    /// <summary>The plan that a product of operands in 1×128 and 128×128 scale blocks uses, with or without a bias.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="overrides">Parts of the plan to fix.</param>
    public TilePlan Plan(long m, long n, long k, TilePlanOverrides? overrides = null) => Int8Scheduler.Plan(
        m, n, k, device.Traits, overrides, k % HopperMultiplication.RowAlignment == 0, device.Plans);

    private static class GeluKernels
    {
        public static readonly Kernel<BlockGeluArguments> TowardZero =
            new($"{nameof(BlockGeluKernel)}<{nameof(Int8TowardZeroFormat)}>", BlockGeluKernel.Run<Int8TowardZeroFormat>);

        public static readonly Kernel<BlockGeluArguments> Nearest =
            new($"{nameof(BlockGeluKernel)}<{nameof(Int8NearestFormat)}>", BlockGeluKernel.Run<Int8NearestFormat>);
    }
}
