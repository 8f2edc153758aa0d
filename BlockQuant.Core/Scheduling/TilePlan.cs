using System.Text.Json.Serialization;

namespace BlockQuant.Scheduling;

/// <summary>How one matrix product is cut into tiles, and which kernel multiplies them.</summary>
/// <remarks>
/// <see cref="Kernel"/> and <see cref="Tile"/> tell what runs. The other parts are those of the portable kernel, whatever runs: what it would take
/// instead, and what <see cref="TilePlanOverrides"/> fix.
/// </remarks>
public readonly record struct TilePlan
{
    // Those of warp-level tensor cores, and the depth of Hopper's too.
    private const int TensorColumns = 128, TensorDepth = 128;

    /// <summary>The family of the kernel that runs the product.</summary>
    public KernelFamily Kernel => Hopper is not null ? KernelFamily.Hopper : TensorCores?.Family ?? KernelFamily.Portable;

    /// <summary>Rows of the output (tokens), columns of the output (weight rows) and depth of one stage along K, in a tile of the kernel that runs.</summary>
    public (int M, int N, int K) Tile
        => Hopper is { } hopper ? (hopper.TileM, hopper.TileN, TensorDepth)
            : TensorCores is { } tensor ? (tensor.TileM, TensorColumns, TensorDepth)
            : (TileM, TileN, TileK);

    /// <summary>Rows of the output (tokens) in one tile of the portable kernel.</summary>
    public required int TileM { get; init; }

    /// <summary>Columns of the output (weight rows) in one tile of the portable kernel.</summary>
    public required int TileN { get; init; }

    /// <summary>Depth of one stage of the portable kernel along K.</summary>
    public required int TileK { get; init; }

    /// <summary>Row tiles of the portable kernel that share a column tile before the next column tile starts, so that weights stay in L2.</summary>
    public required int GroupM { get; init; }

    /// <summary>Stages of the portable kernel in shared memory.</summary>
    public required int Stages { get; init; }

    /// <summary>How the tensor-core kernels of a Hopper GPU run the product; null where the portable kernel does.</summary>
    // Tuned plans are kept in files.
    [JsonInclude]
    internal HopperPlan? Hopper { get; init; }

    /// <summary>How warp-level tensor cores run the product; null where other kernels do.</summary>
    [JsonInclude]
    internal DenseTensorPlan? TensorCores { get; init; }

    /// <summary>Whether the Hopper kernel quantizes its activations; else they are, or come, quantized.</summary>
    internal bool QuantizesActivations { get; init; }

    /// <summary>Lanes of the group that computes one tile of the portable kernel; the largest integer where they are more.</summary>
    public int Lanes => (int)Math.Min(TileScheduler.Lanes(this), int.MaxValue);

    /// <summary>Bytes of shared memory that one group of the portable kernel uses; the largest integer where they are more.</summary>
    public int SharedBytes => (int)Int128.Min(TileScheduler.SharedBytes(this), int.MaxValue);

    /// <inheritdoc/>
    public override string ToString() => Hopper is { } hopper
        ? $"Hopper {hopper.Kind} {hopper.TileM}x{hopper.TileN}x128, split-k {hopper.SplitK}, group-m {hopper.GroupM}{(hopper.Pairs ? ", in pairs" : "")}{(QuantizesActivations ? ", quantizing activations" : "")}"
        : TensorCores is { } tensor ? $"{tensor.Family} {tensor.TileM}x128x128"
        : $"{TileM}x{TileN}x{TileK}, group-m {GroupM}, stages {Stages}";
}

/// <summary>The families of matrix-product kernels.</summary>
public enum KernelFamily
{
    /// <summary>Runs on every accelerator.</summary>
    Portable,

    /// <summary>Tensor cores of GPUs of compute capability 9.0.</summary>
    Hopper,

    /// <summary>Warp-level tensor cores in FP8, of GPUs of compute capability 8.9 and higher.</summary>
    TensorFloat8,

    /// <summary>
    /// Warp-level tensor cores in 16-bit floating point, which holds FP8 codes exactly: of GPUs of compute capability 8.0 and higher, LoRA of 9.0 and
    /// higher.
    /// </summary>
    TensorFloat16,
}

/// <summary>The parts of a tile plan that a caller fixes; what is null is left to the library.</summary>
public sealed record TilePlanOverrides
{
    /// <summary>
    /// The family of kernels; null for the fastest that can take the product, or the portable one where a part of its plan is fixed. A family that
    /// cannot take the product is an error.
    /// </summary>
    public KernelFamily? Kernel { get; init; }

    /// <summary>Rows of the output in one tile.</summary>
    public int? TileM { get; init; }

    /// <summary>Columns of the output in one tile.</summary>
    public int? TileN { get; init; }

    /// <summary>Depth of one stage along K.</summary>
    public int? TileK { get; init; }

    /// <summary>Row tiles that share a column tile.</summary>
    public int? GroupM { get; init; }

    /// <summary>Stages in shared memory.</summary>
    public int? Stages { get; init; }

    /// <summary>
    /// For a dense product of full-precision activations: true quantizes them in the product's kernel, false in one ahead of it; null for the
    /// faster. Other products take null alone.
    /// </summary>
    public bool? FuseQuantization { get; init; }
}
