namespace BlockQuant.Scheduling;

/// <summary>
/// Decides which LoRA products run on warp-level tensor cores, and cuts them so that every multiprocessor has one group.
/// Pure functions: the same question gets the same answer.
/// </summary>
internal static class LoraTensorScheduler
{
    private const int TileM = 16;
    private const int ShrinkTileN = 16;
    private const int ShrinkWarps = 8;
    private const int ExpandTileN = 128;
    private const int MaxSplit = 8;
    private const int MaxTurns = 8;

    /// <summary>Whether the tensor cores compute a product.</summary>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="obstacle">Why the operands do not fit the kernels, or null where they do.</param>
    /// <exception cref="ArgumentException">The caller demands tensor cores and they cannot compute it, or demands a family without LoRA kernels; the message says why.</exception>
    public static bool Runs(DeviceTraits traits, LoraPlanOverrides? overrides, string? obstacle)
    {
        ArgumentNullException.ThrowIfNull(traits);
        string? reason = traits.Kind != DeviceKind.Cuda || traits.ComputeCapability < 90
            ? "the device has not compute capability 9.0 or higher"
            : obstacle;
        return overrides?.Kernel switch
        {
            null => reason is null && (overrides is null or { TileM: null, TileN: null, TileK: null, DepthLanes: null, SplitK: null }),
            KernelFamily.Portable => false,
            KernelFamily.TensorFloat16 when reason is null => true,
            KernelFamily.TensorFloat16 => throw new ArgumentException($"LoRA plan: kernel family {KernelFamily.TensorFloat16} cannot run, because {reason}."),
            { } other => throw new ArgumentException($"LoRA plan: kernel family {other} has no LoRA kernels; expected {KernelFamily.Portable} or {KernelFamily.TensorFloat16}."),
        };
    }

    /// <summary>Plans a shrink.</summary>
    /// <param name="tokens">Tokens of all adapters, at least 1.</param>
    /// <param name="entries">Entries of the adapter map, at least 1.</param>
    /// <param name="rank">The largest rank of a slice, at least 1.</param>
    /// <param name="k">The hidden size, at least 1.</param>
    /// <param name="slices">Slices, at least 1.</param>
    /// <param name="multiprocessors">Multiprocessors of the GPU.</param>
    public static LoraTensorPlan Shrink(long tokens, long entries, long rank, long k, int slices, int multiprocessors)
    {
        long rowTiles = RowTiles(tokens, entries), rankTiles = Tiles(rank, ShrinkTileN);

        // Warps side by side share the tokens' rows through the cache of their multiprocessor; with few tiles they had better lie far apart.
        int columnWarps = 1;
        while (columnWarps < 4 && columnWarps < rankTiles && rowTiles * Tiles(rankTiles, columnWarps) * slices > Groups(multiprocessors))
        {
            columnWarps *= 2;
        }

        long groups = rowTiles * Tiles(rankTiles, columnWarps) * slices, blocks = Tiles(k, 128);
        int split = 1;
        while (split < MaxSplit && 2L * split * (ShrinkWarps / columnWarps) <= blocks && 2L * split * groups <= Groups(multiprocessors))
        {
            split *= 2;
        }

        bool single = split * (ShrinkWarps / columnWarps) >= blocks;
        return new LoraTensorPlan { Split = split, ColumnWarps = columnWarps, Turns = 1, PrefetchesEarly = single };
    }

    /// <summary>Plans an expand.</summary>
    /// <param name="tokens">Tokens of all adapters, at least 1.</param>
    /// <param name="entries">Entries of the adapter map, at least 1.</param>
    /// <param name="n">Output columns of the widest slice, at least 1.</param>
    /// <param name="rank">The largest rank of a slice, at least 1.</param>
    /// <param name="slices">Slices, at least 1.</param>
    /// <param name="multiprocessors">Multiprocessors of the GPU.</param>
    public static LoraTensorPlan Expand(long tokens, long entries, long n, long rank, int slices, int multiprocessors)
    {
        // Few enough groups to be on the multiprocessors all at once, as far as turns allow. A rank above 16 takes more registers.
        int resident = rank > 16 ? 3 : 5, turns = 1;
        long rowTiles = RowTiles(tokens, entries);
        while (turns < MaxTurns && rowTiles * Tiles(n, ExpandTileN * turns) * slices > multiprocessors * resident * 9L / 8)
        {
            turns++;
        }

        return new LoraTensorPlan { Split = 1, ColumnWarps = 4, Turns = turns, PrefetchesEarly = turns == 1 };
    }

    /// <summary>Row tiles enough for every way the tokens can fall to the entries of a map: each entry begins a tile of its own.</summary>
    public static long RowTiles(long tokens, long entries) => tokens / TileM + Math.Min(entries, tokens);

    // Somewhat more groups than multiprocessors: some tiles are empty. Measured on one H200, twice as many are slower.
    private static long Groups(int multiprocessors) => multiprocessors * 5L / 4;

    private static long Tiles(long extent, int tile) => (extent + tile - 1) / tile;
}
