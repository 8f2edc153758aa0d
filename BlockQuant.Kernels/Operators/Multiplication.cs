using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The dense product of two pre-quantized operands, for every eight-bit format: validate, plan, launch.</summary>
internal static class Multiplication
{
    public static void Multiply<TCode, T, TFormat>(
        ComputeDevice device,
        in QuantizedView<TCode> activations,
        in QuantizedView<TCode> weights,
        in MatrixView<T> output,
        ElementFormat format,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        Require.Quantized(device, activations, format, nameof(activations));
        Require.Quantized(device, weights, format, nameof(weights));
        Require.SameDepth(activations, weights);
        Require.Shape(output, activations.Rows, weights.Rows, nameof(output));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), activations.Codes.Data, "activation codes");
        Require.Disjoint(output.Data, nameof(output), activations.Scales.Data, "activation scales");
        Require.Disjoint(output.Data, nameof(output), weights.Codes.Data, "weight codes");
        Require.Disjoint(output.Data, nameof(output), weights.Scales.Data, "weight scales");
        TileScheduler.RequireNoFusion(overrides);
        TilePlan plan = TileScheduler.Plan(
            activations.Rows, weights.Rows, weights.Columns, device.Traits, overrides, HopperMultiplication.Fits(activations, weights), device.Plans);
        Launch<TCode, T, TFormat>(device, activations, weights, output, plan, stream);
    }

    /// <summary>Launches the kernel of a plan, for operands that are validated.</summary>
    public static void Launch<TCode, T, TFormat>(
        ComputeDevice device,
        in QuantizedView<TCode> activations,
        in QuantizedView<TCode> weights,
        in MatrixView<T> output,
        TilePlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        if (plan.Hopper is { } hopper)
        {
            HopperMultiplication.Launch(device, activations, weights, output, hopper, stream);
            return;
        }

        if (plan.TensorCores is { } tensorPlan)
        {
            DenseTensorCores.Launch(device, activations, weights, output, tensorPlan, stream);
            return;
        }

        switch (Element<T>.Kind(nameof(output)))
        {
            case ElementKind.BFloat16:
                Launch<TCode, ushort, BFloat16Element, TFormat>(device, activations, weights, output.Data.Cast<ushort>(), plan, stream);
                break;
            case ElementKind.Float16:
                Launch<TCode, ushort, Float16Element, TFormat>(device, activations, weights, output.Data.Cast<ushort>(), plan, stream);
                break;
            default:
                Launch<TCode, float, Float32Element, TFormat>(device, activations, weights, output.Data.Cast<float>(), plan, stream);
                break;
        }
    }

    private static void Launch<TCode, TBits, TElement, TFormat>(
        ComputeDevice device,
        in QuantizedView<TCode> activations,
        in QuantizedView<TCode> weights,
        ArrayView<TBits> output,
        TilePlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        if (output.Length == 0)
        {
            return;
        }

        var arguments = new BlockScaledMatmulArguments<TBits>
        {
            Activations = Operands.Activations(activations),
            Weights = Operands.Weights(weights),
            Output = output,
            M = activations.Rows,
            Shape = TileShape.Of(plan),
        };
        long tiles = MatrixIndex.CeilDivide(activations.Rows, plan.TileM) * MatrixIndex.CeilDivide(weights.Rows, plan.TileN);
        device.Launch(MatmulKernels<TBits, TElement, TFormat>.Dense, LaunchShapes.Tiles(plan, tiles), arguments, stream);
    }

    private static class MatmulKernels<TBits, TElement, TFormat>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        public static readonly Kernel<BlockScaledMatmulArguments<TBits>> Dense = new(
            $"{nameof(BlockScaledMatmulKernel)}<{typeof(TElement).Name}, {typeof(TFormat).Name}>",
            BlockScaledMatmulKernel.Run<TFormat, TBits, TElement>);
    }
}
