namespace BlockQuant.Scheduling;

/// <summary>How a LoRA shrink or expand is cut into tiles.</summary>
internal readonly record struct LoraPlan
{
    /// <summary>Tokens in one tile.</summary>
    public required int TileM { get; init; }

    /// <summary>Weight rows (the rank in shrink, output columns in expand) in one tile.</summary>
    public required int TileN { get; init; }

    /// <summary>Depth of one stage along K.</summary>
    public required int TileK { get; init; }

    /// <summary>Lanes that share the depth of one stage: a low rank alone gives a group too few lanes.</summary>
    public required int DepthLanes { get; init; }

    /// <summary>Groups that share the depth of one tile; 1 in expand.</summary>
    public required int SplitK { get; init; }

    /// <summary>Lanes of the group that computes one tile.</summary>
    public int Lanes => TileM / TileScheduler.LaneRows * (TileN / TileScheduler.LaneColumns) * DepthLanes;

    /// <summary>Bytes of shared memory that one group uses: first for a stage, then for the lanes' sums.</summary>
    public long SharedBytes
        => Math.Max((long)TileK * (TileM + TileN + 2), (long)DepthLanes * TileM * TileN) * sizeof(float);

    /// <inheritdoc/>
    public override string ToString() => $"{TileM}x{TileN}x{TileK}, depth lanes {DepthLanes}, split-k {SplitK}";
}

/// <summary>The parts of a LoRA plan that a caller fixes; what is null is left to the library.</summary>
public sealed record LoraPlanOverrides
{
    /// <summary>
    /// <see cref="KernelFamily.Portable"/> or <see cref="KernelFamily.TensorFloat16"/>, whose plan has no part to fix; null for the faster that can take
    /// the product, or the portable one where a part of its plan is fixed.
    /// </summary>
    public KernelFamily? Kernel { get; init; }

    /// <summary>Tokens in one tile: a multiple of 8, at most 128.</summary>
    public int? TileM { get; init; }

    /// <summary>Weight rows in one tile: a multiple of 4.</summary>
    public int? TileN { get; init; }

    /// <summary>Depth of one stage along K.</summary>
    public int? TileK { get; init; }

    /// <summary>Lanes that share the depth of one stage.</summary>
    public int? DepthLanes { get; init; }

    /// <summary>Groups that share the depth of one tile in shrink; 1 unless it is given.</summary>
    public int? SplitK { get; init; }
}
