using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.TensorCores.Dense;

/// <summary>The dense products by the type that the tensor cores multiply and the rows of a tile.</summary>
internal static class DenseKernels
{
    private static readonly TensorCoreKernel Float8Tile64 = Large<Float8DenseProduct>("float8", 89);
    private static readonly TensorCoreKernel Float8Tile16 = Small<Float8DenseProduct>("float8", 89);
    private static readonly TensorCoreKernel Float16Tile64 = Large<Float16DenseProduct>("float16", 80);
    private static readonly TensorCoreKernel Float16Tile16 = Small<Float16DenseProduct>("float16", 80);

    /// <summary>Every kernel there is.</summary>
    public static IEnumerable<TensorCoreKernel> All { get; } = [Float8Tile64, Float8Tile16, Float16Tile64, Float16Tile16];

    /// <summary>The kernel of a plan.</summary>
    public static TensorCoreKernel Of(DenseTensorPlan plan) => (plan.Family, plan.TileM) switch
    {
        (KernelFamily.TensorFloat8, 64) => Float8Tile64,
        (KernelFamily.TensorFloat8, 16) => Float8Tile16,
        (KernelFamily.TensorFloat16, 64) => Float16Tile64,
        (KernelFamily.TensorFloat16, 16) => Float16Tile16,
        _ => throw new ArgumentException($"No kernel has the tile of {plan}.", nameof(plan)),
    };

    /// <summary>The groups of a launch: one for each tile.</summary>
    public static TensorCoreGrid Grid(in DenseCall call, DenseTensorPlan plan) => new()
    {
        X = MatrixIndex.CeilDivide(call.M, plan.TileM),
        Y = MatrixIndex.CeilDivide(call.N, DenseKernel.TileN),
    };

    private static TensorCoreKernel Large<TProduct>(string type, int architecture)
        where TProduct : struct, IDenseProduct
        => new(
            $"dense_{type}_64", (Action<DenseCall>)DenseKernel.Tile64<TProduct>, architecture, DenseKernel.Threads, 1, DenseKernel.SharedBytes(64), HasSlices: false);

    private static TensorCoreKernel Small<TProduct>(string type, int architecture)
        where TProduct : struct, IDenseProduct
        => new(
            $"dense_{type}_16", (Action<DenseCall>)DenseKernel.Tile16<TProduct>, architecture, DenseKernel.Threads, 2, DenseKernel.SharedBytes(16), HasSlices: false);
}
