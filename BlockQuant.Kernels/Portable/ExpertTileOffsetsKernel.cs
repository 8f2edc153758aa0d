using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ExpertTileOffsetsKernel"/>.</summary>
internal struct ExpertTileOffsetsArguments : IKernelArguments
{
    public ExpertRows Experts;
    public int Rows;
    public int TileM;

    /// <summary>Tile offsets [E + 1].</summary>
    public ArrayView<int> TileOffsets;

    public ArrayView<int> Status;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Experts);
        block.Add(Rows);
        block.Add(TileM);
        block.Add(TileOffsets);
        block.Add(Status);
    }
}

/// <summary>
/// The first row tile of every expert. One group scans the experts, however many; offsets that are wrong anywhere are reported and leave no
/// tile in use, so that the product that follows writes nothing.
/// </summary>
internal static class ExpertTileOffsetsKernel
{
    /// <summary>The most lanes of the group.</summary>
    public const int MaxLanes = 256;

    public static void Run(ExpertTileOffsetsArguments a)
    {
        ArrayView<int> sums = SharedMemory.Allocate<int>(MaxLanes);
        ArrayView<int> lowest = SharedMemory.Allocate<int>(MaxLanes);
        int experts = a.Experts.Experts;
        int share = MatrixIndex.CeilDivide(experts, Group.DimX);
        int first = Math.Min(Group.IdxX * share, experts);
        int end = Math.Min(first + share, experts);
        int tiles = 0;
        int wrong = StatusReport.Nowhere;
        for (int expert = first; expert < end; expert++)
        {
            if (wrong == StatusReport.Nowhere && Code(a, expert) != 0)
            {
                wrong = expert;
            }

            tiles += TilesOf(a, expert);
        }

        sums[Group.IdxX] = tiles;
        lowest[Group.IdxX] = wrong;
        Group.Barrier();
        int before = 0;
        for (int lane = 0; lane < Group.DimX; lane++)
        {
            before += lane < Group.IdxX ? sums[lane] : 0;
            wrong = Math.Min(wrong, lowest[lane]);
        }

        bool valid = wrong == StatusReport.Nowhere;
        for (int expert = first; expert < end; expert++)
        {
            a.TileOffsets[expert] = valid ? before : 0;
            before += TilesOf(a, expert);
        }

        if (Group.IdxX == Group.DimX - 1)
        {
            a.TileOffsets[experts] = valid ? before : 0;
        }

        if (Group.IdxX == 0 && !valid)
        {
            Report(a, wrong);
        }
    }

    // Only used where every offset is right, but computed before that is known: wrong offsets must not overflow into a fault.
    private static int TilesOf(ExpertTileOffsetsArguments a, int expert)
        => ExpertTileMap.TilesOf(Math.Max(0, a.Experts.End(expert) - a.Experts.Begin(expert)), a.TileM);

    private static int Code(ExpertTileOffsetsArguments a, int expert)
    {
        if (expert == 0 && a.Experts.Begin(0) != 0)
        {
            return (int)DeviceStatusCode.OffsetsStart;
        }

        if (a.Experts.End(expert) < a.Experts.Begin(expert))
        {
            return (int)DeviceStatusCode.OffsetsDecrease;
        }

        return expert == a.Experts.Experts - 1 && a.Experts.End(expert) != a.Rows ? (int)DeviceStatusCode.OffsetsEnd : 0;
    }

    private static void Report(ExpertTileOffsetsArguments a, int expert)
    {
        int code = Code(a, expert);
        bool atStart = code == (int)DeviceStatusCode.OffsetsStart;
        StatusReport.Write(
            a.Status,
            code,
            atStart ? 0 : expert + a.Experts.Lead,
            atStart ? a.Experts.Begin(0) : a.Experts.End(expert),
            atStart ? 0 : code == (int)DeviceStatusCode.OffsetsEnd ? a.Rows : a.Experts.Begin(expert));
    }
}
