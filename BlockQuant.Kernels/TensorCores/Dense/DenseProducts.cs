using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Dense;

/// <summary>The type in which the tensor cores multiply FP8 codes.</summary>
internal interface IDenseProduct
{
    /// <inheritdoc cref="WarpTile.MultiplyFloat8"/>
    static abstract TAcc Multiply<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged;
}

/// <summary>FP8 itself: compute capability 8.9 and higher.</summary>
internal readonly struct Float8DenseProduct : IDenseProduct
{
    public static TAcc Multiply<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => WarpTile.MultiplyFloat8(acc, activations, activationSwizzle, weights, weightSwizzle, rowScales, weightScale);
}

/// <summary>float16, which holds the codes exactly: compute capability 8.0 and higher.</summary>
internal readonly struct Float16DenseProduct : IDenseProduct
{
    public static TAcc Multiply<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => WarpTile.MultiplyFloat16(acc, activations, activationSwizzle, weights, weightSwizzle, rowScales, weightScale);
}
