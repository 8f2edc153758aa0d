using BlockQuant.Kernels;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>INT8 products with a bias, a quantized output, or both: validate, plan, launch.</summary>
internal static class Int8Multiplication
{
    /// <summary>A float32 sum of 1024 products of INT8 codes is exact: none of its partial sums exceeds 128 · 128 · 1024 = 2²⁴.</summary>
    public const long MaxExactDepth = 1024;

    public static void MultiplyAdd<T>(
        ComputeDevice device,
        in QuantizedView<sbyte> activations,
        in QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        in MatrixView<T> output,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where T : unmanaged
    {
        RequireOperands(device, activations, weights, bias);
        Require.Shape(output, activations.Rows, weights.Rows, nameof(output));
        Require.Memory(device, output.Data, nameof(output));
        RequireDisjoint(output.Data, nameof(output), activations, weights, bias);
        bool fits = HopperMultiplication.FitsTiles(activations, weights);
        TilePlan plan = Int8Scheduler.Plan(activations.Rows, weights.Rows, weights.Columns, device.Traits, overrides, fits, device.Plans);
        Launch(device, activations, weights, bias, output, plan, stream);
    }

    /// <summary>Launches the kernel of a plan, for operands that are validated.</summary>
    public static void Launch<T>(
        ComputeDevice device,
        in QuantizedView<sbyte> activations,
        in QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        in MatrixView<T> output,
        TilePlan plan,
        AcceleratorStream? stream)
        where T : unmanaged
    {
        if (plan.Hopper is { } hopper)
        {
            LaunchHopper(device, HopperMultiplication.Call(activations, weights, output, hopper), bias, default, nearest: false, stream);
            return;
        }

        if (bias.Length == 0)
        {
            Multiplication.Launch<sbyte, T, Int8TowardZeroFormat>(device, activations, weights, output, plan, stream);
            return;
        }

        switch (Element<T>.Kind(nameof(output)))
        {
            case ElementKind.BFloat16:
                Launch<ushort, BFloat16Element>(device, activations, weights, bias, output.Data.Cast<ushort>(), plan, stream);
                break;
            case ElementKind.Float16:
                Launch<ushort, Float16Element>(device, activations, weights, bias, output.Data.Cast<ushort>(), plan, stream);
                break;
            default:
                Launch<float, Float32Element>(device, activations, weights, bias, output.Data.Cast<float>(), plan, stream);
                break;
        }
    }

    public static void MultiplyAddQuantize(
        ComputeDevice device,
        in QuantizedView<sbyte> activations,
        in QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        in QuantizedView<sbyte> output,
        RoundingMode rounding,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
    {
        RequireOperands(device, activations, weights, bias);
        Int8Output.Validate(device, output, activations.Rows, weights.Rows);
        RequireDisjoint(output.Codes.Data, "output codes", activations, weights, bias);
        RequireDisjoint(output.Scales.Data, "output scales", activations, weights, bias);
        bool fits = HopperMultiplication.FitsTiles(activations, weights), nearest = Int8Output.IsNearest(rounding);
        TilePlan plan = Int8Scheduler.PlanQuantized(
            activations.Rows, weights.Rows, weights.Columns, output.BlockColumns, device.Traits, overrides, fits, device.Plans);
        if (output.Codes.Data.Length == 0)
        {
            Int8Output.LaunchEmpty(device, output, stream);
            return;
        }

        if (plan.Hopper is { } hopper)
        {
            LaunchHopper(device, HopperMultiplication.Call(activations, weights, output.Codes, hopper), bias, output.Scales.Data, nearest, stream);
            return;
        }

        Kernel<BlockScaledMatmulQuantizeArguments> kernel = nearest ? QuantizeKernels.Nearest : QuantizeKernels.TowardZero;
        var arguments = new BlockScaledMatmulQuantizeArguments
        {
            Activations = Operands.Activations(activations),
            Weights = Operands.Weights(weights),
            Bias = PresentOrEmpty(bias, output),
            Codes = output.Codes.Data.Cast<byte>(),
            Scales = output.Scales.Data,
            M = activations.Rows,
            OutputBlock = (int)output.BlockColumns,
            ResultStart = QuantizedOutputScheduler.ResultStart(plan, output.BlockColumns),
            Shape = TileShape.Of(plan),
        };
        long tiles = MatrixIndex.CeilDivide(activations.Rows, plan.TileM) * output.Scales.Columns;
        device.Launch(kernel, LaunchShapes.Tiles(plan, tiles), arguments, stream);
    }

    private static void LaunchHopper(
        ComputeDevice device, MatmulCall product, ArrayView<float> bias, ArrayView<float> outputScales, bool nearest, AcceleratorStream? stream)
    {
        var call = new Int8MatmulCall
        {
            Product = product,
            Bias = bias.Length == 0 ? 0 : bias.LoadEffectiveAddressAsPtr(),
            OutputScales = outputScales.Length == 0 ? 0 : outputScales.LoadEffectiveAddressAsPtr(),
            Nearest = nearest,
        };
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        device.HopperKernels.Matmul(call, handle);
    }

    private static void Launch<TBits, TElement>(
        ComputeDevice device,
        in QuantizedView<sbyte> activations,
        in QuantizedView<sbyte> weights,
        ArrayView<float> bias,
        ArrayView<TBits> output,
        TilePlan plan,
        AcceleratorStream? stream)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        if (output.Length == 0)
        {
            return;
        }

        var arguments = new BlockScaledAddmmArguments<TBits>
        {
            Activations = Operands.Activations(activations),
            Weights = Operands.Weights(weights),
            Bias = bias,
            Output = output,
            M = activations.Rows,
            Shape = TileShape.Of(plan),
        };
        long tiles = MatrixIndex.CeilDivide(activations.Rows, plan.TileM) * MatrixIndex.CeilDivide(weights.Rows, plan.TileN);
        device.Launch(AddmmKernels<TBits, TElement>.Addmm, LaunchShapes.Tiles(plan, tiles), arguments, stream);
    }

    private static void RequireOperands(
        ComputeDevice device, in QuantizedView<sbyte> activations, in QuantizedView<sbyte> weights, ArrayView<float> bias)
    {
        Require.Quantized(device, activations, ElementFormat.Int8, nameof(activations));
        Require.Quantized(device, weights, ElementFormat.Int8, nameof(weights));
        Require.SameDepth(activations, weights);
        long depth = Math.Min(weights.Columns, Math.Min(activations.BlockColumns, weights.BlockColumns));
        if (depth > MaxExactDepth)
        {
            throw new ArgumentException(
                $"weights: scale blocks {depth} wide along K, in activations too; expected at most {MaxExactDepth}, the widest that sums exactly.",
                nameof(weights));
        }

        Require.Memory(device, bias, nameof(bias));
        if (bias.Length != 0 && bias.Length != weights.Rows)
        {
            throw new ArgumentException($"bias: length {bias.Length}; expected {weights.Rows}, the N of weights {weights.Codes.Shape}, or none.", nameof(bias));
        }
    }

    private static void RequireDisjoint<T>(
        ArrayView<T> output, string outputName, in QuantizedView<sbyte> activations, in QuantizedView<sbyte> weights, ArrayView<float> bias)
        where T : unmanaged
    {
        Require.Disjoint(output, outputName, activations.Codes.Data, "activation codes");
        Require.Disjoint(output, outputName, activations.Scales.Data, "activation scales");
        Require.Disjoint(output, outputName, weights.Codes.Data, "weight codes");
        Require.Disjoint(output, outputName, weights.Scales.Data, "weight scales");
        Require.Disjoint(output, outputName, bias, nameof(bias));
    }

    /// <summary>A kernel takes no view without memory behind it, so an absent bias is an empty view of some memory.</summary>
    private static ArrayView<float> PresentOrEmpty(ArrayView<float> bias, in QuantizedView<sbyte> output)
        => bias.Length == 0 ? output.Scales.Data.SubView(0, 0) : bias;

    private static class AddmmKernels<TBits, TElement>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        public static readonly Kernel<BlockScaledAddmmArguments<TBits>> Addmm = new(
            $"{nameof(BlockScaledAddmmKernel)}<{typeof(TElement).Name}, {nameof(Int8TowardZeroFormat)}>",
            BlockScaledAddmmKernel.Run<Int8TowardZeroFormat, TBits, TElement>);
    }

    private static class QuantizeKernels
    {
        public static readonly Kernel<BlockScaledMatmulQuantizeArguments> TowardZero = new(
            $"{nameof(BlockScaledMatmulQuantizeKernel)}<{nameof(Int8TowardZeroFormat)}>", BlockScaledMatmulQuantizeKernel.Run<Int8TowardZeroFormat>);

        public static readonly Kernel<BlockScaledMatmulQuantizeArguments> Nearest = new(
            $"{nameof(BlockScaledMatmulQuantizeKernel)}<{nameof(Int8NearestFormat)}>", BlockScaledMatmulQuantizeKernel.Run<Int8NearestFormat>);
    }
}
