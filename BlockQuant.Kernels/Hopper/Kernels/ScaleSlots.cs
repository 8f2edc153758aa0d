namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// Where <see cref="PrefillKernel"/> and <see cref="GroupedRaggedKernel"/> have their scales in shared memory: those of four blocks of K
/// lie together, a row's in 16 bytes, so that the copy engine can bring them from rows of scales that lie one behind another. Lanes that
/// copied them 4 bytes at a time held up, row by row, the reading of scales that had come: up to a sixth of a narrow tile's time.
/// </summary>
/// <remarks>
/// Wide tiles of <see cref="PrefillKernel"/> have one slot, whose rows go to registers before the first of its four stages is free, and
/// their weight blocks' scales in turn in two places. The others read a slot block by block. It comes with the stage of its first block
/// and needs no barrier of its own: a stage is free again only when all blocks as many stages before it have been read, and there are
/// enough slots that its last owner's four are among these.
/// </remarks>
internal static class ScaleSlots
{
    /// <summary>Blocks of K that share a slot.</summary>
    public const int Blocks = 4;

    /// <summary>From a row's scales to the next row's, and from the left weight block's to the right one's.</summary>
    public const int RowBytes = Blocks * 4;

    /// <summary>Where in a slot the scales are of the two weight blocks that a tile's columns lie in.</summary>
    public const int WeightOffset = PrefillRing.TileM * RowBytes;

    public const int WeightBytes = 2 * RowBytes;

    /// <summary>What the copy engine brings at a time.</summary>
    public const int LoadedBytes = WeightOffset + WeightBytes;

    // The copy engine writes boxes to multiples of 128 bytes.
    private const int SlotBytes = WeightOffset + 128;

    /// <summary>The blocks of K, filled up so that the next tile begins with a slot.</summary>
    public static int FilledUp(int blocks) => (blocks + Blocks - 1) & ~(Blocks - 1);

    /// <summary>Bytes of the slots of a ring of <paramref name="stages"/> stages.</summary>
    public static int Bytes(int stages, bool fours) => fours ? WeightOffset + 2 * WeightBytes : Count(stages) * SlotBytes;

    /// <summary>The slot behind one.</summary>
    public static int Next(int slot, int first, int stages) => slot == first + (Count(stages) - 1) * SlotBytes ? first : slot + SlotBytes;

    /// <summary>Where the scales are of the block of K behind the one whose are at <paramref name="place"/>.</summary>
    public static int NextBlock(int place, int first, int stages) =>
        (place & RowBytes - 1) < RowBytes - 4 ? place + 4 : Next(place - (RowBytes - 4), first, stages);

    // A slot's last owner's four blocks, and those that may lie between.
    private static int Count(int stages) => (stages + 2 * (Blocks - 1)) / Blocks;
}
