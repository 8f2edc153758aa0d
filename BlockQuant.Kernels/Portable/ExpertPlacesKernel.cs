using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ExpertPlacesKernel"/>.</summary>
internal struct ExpertPlacesArguments : IKernelArguments
{
    /// <summary>The expert of each row [S].</summary>
    public ArrayView<int> Ids;

    /// <summary>The place of each row among the rows sorted by expert [S], −1 where its expert does not exist.</summary>
    public ArrayView<int> Places;

    /// <summary>The row at each place [S]; what lies behind the last expert's end is not written.</summary>
    public ArrayView<int> Rows;

    /// <summary>Where each expert's rows end among the sorted ones [E].</summary>
    public ArrayView<int> Ends;

    /// <summary>The first row tile of each expert, and behind them the number in use [E + 1].</summary>
    public ArrayView<int> TileOffsets;

    public ArrayView<int> Status;
    public int Experts;
    public int TileM;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Ids);
        block.Add(Places);
        block.Add(Rows);
        block.Add(Ends);
        block.Add(TileOffsets);
        block.Add(Status);
        block.Add(Experts);
        block.Add(TileM);
    }
}

/// <summary>
/// Sorts rows by expert for one product: in one group, whatever the number of rows, because for few rows a second launch would cost more
/// than it saves. An id that is no expert is reported, and its row has no place.
/// </summary>
/// <remarks>
/// The order of an expert's rows follows the order of atomics, so it may change from run to run; a row's product does not depend on its place.
/// </remarks>
internal static class ExpertPlacesKernel
{
    /// <summary>The most lanes of the group.</summary>
    public const int MaxLanes = 256;

    /// <summary>The most experts.</summary>
    public const int MaxExperts = 1024;

    private const int None = -1;

    public static void Run(ExpertPlacesArguments a)
    {
        ArrayView<int> counts = SharedMemory.Allocate<int>(MaxExperts);
        ArrayView<int> begins = SharedMemory.Allocate<int>(MaxExperts);
        ArrayView<int> sums = SharedMemory.Allocate<int>(2 * MaxLanes);

        // int.MaxValue - the lowest row without an expert, 0 where there is none.
        ArrayView<int> wrong = SharedMemory.Allocate<int>(1);
        if (Group.IdxX == 0)
        {
            wrong[0] = 0;
        }

        for (int expert = Group.IdxX; expert < a.Experts; expert += Group.DimX)
        {
            counts[expert] = 0;
        }

        Group.Barrier();
        for (long row = Group.IdxX; row < a.Ids.Length; row += Group.DimX)
        {
            int expert = a.Ids[row];
            int rank = None;
            if (expert >= 0 && expert < a.Experts)
            {
                rank = ViewAtomics.Add(counts, expert, 1);
            }
            else
            {
                ViewAtomics.Max(wrong, 0, StatusReport.Nowhere - (int)row);
            }

            a.Places[row] = rank;
        }

        Group.Barrier();
        if (Group.IdxX == 0 && wrong[0] != 0)
        {
            int row = StatusReport.Nowhere - wrong[0];
            StatusReport.Write(a.Status, (int)DeviceStatusCode.ExpertOutOfRange, row, a.Ids[row], a.Experts);
        }

        Scan(a, counts, begins, sums);
        Group.Barrier();
        for (long row = Group.IdxX; row < a.Ids.Length; row += Group.DimX)
        {
            int rank = a.Places[row];
            if (rank != None)
            {
                int place = begins[a.Ids[row]] + rank;
                a.Places[row] = place;
                a.Rows[place] = (int)row;
            }
        }
    }

    // Each lane takes its share of the experts.
    private static void Scan(ExpertPlacesArguments a, ArrayView<int> counts, ArrayView<int> begins, ArrayView<int> sums)
    {
        int share = MatrixIndex.CeilDivide(a.Experts, Group.DimX);
        int first = Math.Min(Group.IdxX * share, a.Experts);
        int end = Math.Min(first + share, a.Experts);
        int rows = 0;
        int tiles = 0;
        for (int expert = first; expert < end; expert++)
        {
            rows += counts[expert];
            tiles += ExpertTileMap.TilesOf(counts[expert], a.TileM);
        }

        sums[Group.IdxX] = rows;
        sums[MaxLanes + Group.IdxX] = tiles;
        Group.Barrier();
        rows = 0;
        tiles = 0;
        for (int lane = 0; lane < Group.IdxX && first < a.Experts; lane++)
        {
            rows += sums[lane];
            tiles += sums[MaxLanes + lane];
        }

        for (int expert = first; expert < end; expert++)
        {
            begins[expert] = rows;
            a.TileOffsets[expert] = tiles;
            rows += counts[expert];
            tiles += ExpertTileMap.TilesOf(counts[expert], a.TileM);
            a.Ends[expert] = rows;
        }

        if (first < end && end == a.Experts)
        {
            a.TileOffsets[a.Experts] = tiles;
        }
    }
}
