using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// One block-scaled FP8 product over rows that are sorted by expert, C [S, N] = A [S, K] · B [expert of the row, N, K]ᵀ, by device
/// address. Operands are dense and row-major; strides count elements.
/// </summary>
internal readonly record struct ExpertMatmulCall
{
    /// <summary>How the call runs: a grouped kind.</summary>
    public required HopperPlan Plan { get; init; }

    /// <summary>Rows of all experts together, or more: what lies behind the last expert's end is not read.</summary>
    public required int Rows { get; init; }

    /// <summary>N, weight rows of one expert and columns of C.</summary>
    public required int N { get; init; }

    /// <summary>K, columns of A and B.</summary>
    public required int K { get; init; }

    /// <summary>E.</summary>
    public required int Experts { get; init; }

    /// <summary>A, FP8 e4m3.</summary>
    public required IntPtr Activations { get; init; }

    /// <summary>Scales of A, float32, one for each row and 128 columns.</summary>
    public required IntPtr ActivationScales { get; init; }

    /// <summary>From a row's scale to the next row's.</summary>
    public required long ScaleRowStride { get; init; }

    /// <summary>From a 128-column block's scale to the next block's.</summary>
    public required long ScaleBlockStride { get; init; }

    /// <summary>B, FP8 e4m3 [E, N, K].</summary>
    public required IntPtr Weights { get; init; }

    /// <summary>Scales of B, float32 [E, ⌈N/128⌉, ⌈K/128⌉].</summary>
    public required IntPtr WeightScales { get; init; }

    /// <summary>Where each expert's rows end, int32 [E]; zero for <see cref="HopperKernelKind.BatchedDecode"/>.</summary>
    public IntPtr Ends { get; init; }

    /// <summary>The first row tile of each expert for the plan's rows a tile, and behind them the number in use, int32 [E + 1]; zero for <see cref="HopperKernelKind.BatchedDecode"/>.</summary>
    public IntPtr TileOffsets { get; init; }

    /// <summary>The expert of each row of C, int32 [S], for <see cref="HopperKernelKind.BatchedDecode"/>: A has them sorted by it.</summary>
    public IntPtr Ids { get; init; }

    /// <summary>The row of C that each row of A gives, int32 [S], for <see cref="HopperKernelKind.GroupedDecode"/>; zero where they are the same.</summary>
    public IntPtr OutputRows { get; init; }

    /// <summary>C.</summary>
    public required IntPtr Output { get; init; }

    /// <summary>Element type of C.</summary>
    public required OutputType OutputType { get; init; }

    /// <summary>Bytes of an element of C.</summary>
    public int ElementBytes => OutputType == OutputType.Single ? sizeof(float) : sizeof(ushort);
}
