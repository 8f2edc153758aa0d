using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>
/// What the host engine computes in place of a kernel. A kernel is known by its class and its type arguments; an implementation takes the same
/// arguments and ignores how they were to be cut into tiles.
/// </summary>
internal static class HostKernels
{
    /// <summary>The implementation of a kernel, or null where there is none.</summary>
    public static Action<TArguments>? Find<TArguments>(Kernel<TArguments> kernel)
        where TArguments : struct, IKernelArguments
    {
        Type? owner = kernel.Method.Method.DeclaringType;
        Type[] types = kernel.Method.Method.GetGenericArguments();
        Delegate? found = owner == typeof(BlockQuantizeKernel) ? HostQuantize.Blocks(types)
            : owner == typeof(MaxMagnitudeKernel) ? HostQuantize.MaxMagnitude(types)
            : owner == typeof(TensorScaleKernel) ? kernel.Method
            : owner == typeof(ScaledQuantizeKernel) ? HostQuantize.WithScale(types)
            : owner == typeof(BlockDequantizeKernel) ? HostQuantize.Dequantize(types)
            : owner == typeof(BlockScaledMatmulKernel) ? HostMatmul.Dense(types)
            : owner == typeof(BlockScaledAddmmKernel) ? HostMatmul.WithBias(types)
            : owner == typeof(BlockScaledMatmulQuantizeKernel) ? HostMatmul.Quantized(types)
            : owner == typeof(BlockGeluKernel) ? HostGelu.Blocks(types)
            : owner == typeof(BatchedMatmulKernel) ? HostExperts.Batched(types)
            : owner == typeof(GroupedMatmulKernel) ? HostExperts.Grouped(types)
            : owner == typeof(LoraShrinkKernel) ? HostLora.Shrink(types)
            : owner == typeof(LoraExpandKernel) ? HostLora.Expand(types)
            : null;
        return (Action<TArguments>?)found;
    }

    /// <summary>The engine's name of an element type of the kernels.</summary>
    public static HostElementKind Element(Type element)
        => element == typeof(Float32Element) ? HostElementKind.Float32
            : element == typeof(BFloat16Element) ? HostElementKind.BFloat16
            : element == typeof(Float16Element) ? HostElementKind.Float16
            : element == typeof(Float8Element) ? HostElementKind.Float8
            : throw new NotSupportedException($"The host engine has no element type {element.Name}.");

    /// <summary>The engine's name of a code format of the kernels.</summary>
    public static HostFormatKind Format(Type format)
        => format == typeof(Portable.Float8Format) ? HostFormatKind.Float8
            : format == typeof(Int8TowardZeroFormat) ? HostFormatKind.Int8Truncated
            : format == typeof(Int8NearestFormat) ? HostFormatKind.Int8Nearest
            : throw new NotSupportedException($"The host engine has no code format {format.Name}.");

    /// <summary>Reads the codes of a format.</summary>
    public static HostDecoder Decoder(HostFormatKind format) => format == HostFormatKind.Float8
        ? HostElement.Of(HostElementKind.Float8, HostVectors.Widest)
        : HostDecoder.Int8(HostVectors.Widest);
}
