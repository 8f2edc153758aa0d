namespace BlockQuant.Scheduling;

/// <summary>How a LoRA shrink or expand is cut for warp-level tensor cores: tiles of 16 tokens, 16 rows of A or 32 rows of B to a warp.</summary>
internal readonly record struct LoraTensorPlan
{
    /// <summary>Groups that share the depth of a shrink: one cluster, which adds their sums in a fixed order. 1 in expand.</summary>
    public required int Split { get; init; }

    /// <summary>Warps of a shrink's group side by side, 1, 2 or 4; the others share the depth. All are side by side in expand.</summary>
    public required int ColumnWarps { get; init; }

    /// <summary>Tiles, one behind the other, that each warp of an expand computes; 1 in shrink.</summary>
    public required int Turns { get; init; }

    /// <summary>
    /// Whether a dependent launch brings weights to the cache while the kernels ahead still run: it pays where every warp has one block or tile, and
    /// costs instructions where it has more.
    /// </summary>
    public required bool PrefetchesEarly { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"tensor cores, split {Split}, column warps {ColumnWarps}, turns {Turns}";
}
