using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>The LoRA kernels by the element types of their operands: bf16, f16 and fp8.</summary>
internal static class LoraKernels
{
    // Clusters and programmatic dependent launch came with compute capability 9.0.
    private const int Architecture = 90;

    /// <summary>Every kernel there is.</summary>
    public static IEnumerable<TensorCoreKernel> All { get; } =
    [
        .. Of<Vec4, Codes16, int, Codes4, Vec4, Codes16, int, Codes4, Float16Product>("fp8_fp8"),
        .. Of<Vec8, Halves16, Vec2, Halves4, Vec8, Halves16, Vec2, Halves4, Float16Product>("f16_f16"),
        .. Of<Vec8, Halves16, Vec2, Halves4, Vec8, Halves16, Vec2, Halves4, BFloat16Product>("bf16_bf16"),
        .. Of<Vec8, Halves16, Vec2, Halves4, Vec4, Codes16, int, Codes4, Float16Product>("f16_fp8"),
        .. Of<Vec8, Halves16, Vec2, Halves4, Vec4, Codes16, int, Codes4, BFloat16Product>("bf16_fp8"),
    ];

    /// <summary>Shrink for input and weights of some types, such as bf16_fp8.</summary>
    public static TensorCoreKernel Shrink(string types) => TensorCoreKernel.All[$"lora_shrink_{types}"];

    /// <summary>Expand; <paramref name="wide"/> where a lane reads 16 neighbours along the rank, not 4.</summary>
    public static TensorCoreKernel Expand(string types, bool wide) => TensorCoreKernel.All[$"lora_expand_{types}{(wide ? "_wide" : "")}"];

    private static IEnumerable<TensorCoreKernel> Of<TX16, TXFragment16, TX4, TXFragment4, TW16, TWFragment16, TW4, TWFragment4, TProduct>(string types)
        where TX16 : unmanaged
        where TXFragment16 : struct, IFragment<TX16>
        where TX4 : unmanaged
        where TXFragment4 : struct, IFragment<TX4>
        where TW16 : unmanaged
        where TWFragment16 : struct, IFragment<TW16>
        where TW4 : unmanaged
        where TWFragment4 : struct, IFragment<TW4>
        where TProduct : struct, IProductType
    {
        // Groups in pairs hide each other's waits, which is worth more than a second block of fragments in one group's registers.
        int groups = typeof(TX16) == typeof(Vec4) || typeof(TW16) == typeof(Vec4) ? 2 : 1;
        Action<LoraCall> shrink = ShrinkKernel.Run<TX16, TXFragment16, TW16, TWFragment16, TProduct>;
        Action<LoraCall> expand = ExpandKernel.Run<TX4, TXFragment4, TW4, TWFragment4, TProduct>;
        Action<LoraCall> wide = ExpandKernel.Run<TX16, TXFragment16, TW16, TWFragment16, TProduct>;
        yield return new($"lora_shrink_{types}", shrink, Architecture, ShrinkKernel.Warps * 32, groups, ShrinkKernel.SharedBytes, HasSlices: true);
        yield return new($"lora_expand_{types}", expand, Architecture, ExpandKernel.Warps * 32, 5, 0, HasSlices: true);
        yield return new($"lora_expand_{types}_wide", wide, Architecture, ExpandKernel.Warps * 32, 3, 0, HasSlices: true);
    }
}
