using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// What <see cref="PrefillKernel"/> and <see cref="Int8PrefillKernel"/> have in common: where a block finds its tiles, the ring of stages in
/// shared memory, and the warp that has the copy engine fill it. In shared memory lie the stages, the staged output, the barriers, and
/// behind them the scales, which each kernel lays out as it reads them.
/// </summary>
internal static class PrefillRing
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    /// <summary>Rows of a tile.</summary>
    public const int TileM = 128;

    /// <summary>From a stage's first barrier, which tells that it has come, to its second.</summary>
    public const int EmptyOffset = 128;

    private const int PlaceOffset = 256;

    // The scales behind begin at a multiple of 128 bytes.
    private const int BarrierBytes = (PlaceOffset + Places * 4 + 127) & ~127;

    // Tiles that the loading warp may be ahead of the others, and more: a power of two above the stages of any width.
    private const int Places = 16;
    private const int SharedLimit = 227 * 1024;

    /// <summary>
    /// Stages: as many as fit beside the staged output and, for each, a scale of every row and two weight blocks. The slots of
    /// <see cref="ScaleSlots"/> fit into what is left of that.
    /// </summary>
    public static int Stages(int tileN) => (SharedLimit - StagingBytes(tileN) - BarrierBytes) / (StageBytes(tileN) + TileM * 4 + 16);

    /// <summary>
    /// Rows of the activations' boxes: not more than there are. The copy engine takes longer over a row that does not exist than over
    /// one that does, and narrow tiles wait for it.
    /// </summary>
    public static int BoxRows(int rows) => Math.Min(TileM, (rows + 7) & ~7);

    public static int StageBytes(int tileN) => (TileM + tileN) * 128;

    public static int StagingOffset(int tileN) => Stages(tileN) * StageBytes(tileN);

    // 32 columns are staged in one pass and need one buffer a warp.
    public static int StagingBytes(int tileN) => 8 * (tileN == 32 ? OutputTile.StagingBytes / 2 : OutputTile.StagingBytes);

    public static int BarrierOffset(int tileN) => StagingOffset(tileN) + StagingBytes(tileN);

    /// <summary>Where the scales begin, at a multiple of 128 bytes: all that is behind is theirs.</summary>
    public static int ScaleOffset(int tileN) => BarrierOffset(tileN) + BarrierBytes;

    // m | n << 16 of the t-th tile: m runs fastest inside a band of groupM row tiles, so that the tiles in flight share operands in L2.
    public static int Locate(int tile, int tilesM, int tilesN, int groupM)
    {
        int band = Pin.Int32(tile / (groupM * tilesN));
        int rest = tile - band * groupM * tilesN;
        int height = Math.Min(groupM, tilesM - band * groupM);
        int n = Pin.Int32(rest / height);
        return Pin.Int32(band * groupM + rest - n * height | n << 16);
    }

    // The last tile of more than 128 rows ends with them: rows that two tiles have come out the same from both, and absent rows, which
    // the copy engine takes longer over, are not asked for.
    public static int FirstRow(int mn, int rows) => Pin.Int32(Math.Min((mn & 0xffff) * TileM, Math.Max(rows - TileM, 0)));

    // How many of the tiles are this block's.
    public static int Count(int tiles) => Pin.Int32((tiles - Grid.IdxX + Grid.DimX - 1) / Grid.DimX);

    // Where the number-th tile of this block lies, as Locate has it; to be asked for once a stage of the tile has come.
    public static int Place(int full, int number) => Pin.Int32(Shared.Int32(full + PlaceOffset + (number & Places - 1) * 4));

    /// <summary>Prepares the stages and their barriers; every thread of the block.</summary>
    /// <param name="tileN">Weight rows of a tile.</param>
    /// <param name="fours">Whether four blocks of K are worked off at a time, and their scales come with the first of four stages.</param>
    /// <param name="scales">Whether the copy engine brings the scales too, and no lanes do.</param>
    /// <param name="rows">Rows of the product.</param>
    /// <param name="pairs">Whether two blocks share weights.</param>
    public static int Enter(int tileN, bool fours, bool scales, int rows, bool pairs = false)
    {
        int shared = Shared.Base();
        int full = shared + BarrierOffset(tileN);
        if (rows < TileM)
        {
            // Rows that no copy brings are multiplied all the same.
            for (int chunk = BoxRows(rows) * 8 + Group.IdxX; chunk < TileM * 8; chunk += Threads)
            {
                for (int i = 0; i < Stages(tileN); i++)
                    Shared.Clear(shared + i * StageBytes(tileN) + chunk * 16);
            }
            Shared.Publish();
        }
        int lanes = scales ? 0 : 32;
        // Of four stages a lane of each warp, of either block of a pair, tells that the operands have been read, and of the first each
        // lane that it has read the scales.
        int warps = StageBarriers.Warps * (pairs ? 2 : 1), readers = fours ? warps : StageBarriers.Lanes;
        StageBarriers.Initialize(
            Threads / 32, Stages(tileN), full, 1 + lanes, 1 + (fours ? 0 : lanes), full + EmptyOffset,
            fours ? warps + StageBarriers.Lanes : readers, readers);
        if (pairs)
            Cluster.Sync();
        else
            Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // One warp: the operands of every stage, by the copy engine, and where their tile lies: the divisions that tell take longer than the
    // multiplying warps, which wait for nothing else between two tiles, should spend.
    public static void LoadOperands(
        int tileN, bool fours, bool scales, int shared, long weightScales, int rows, int columns, int blocks, int groupM, bool pairs = false)
    {
        int stages = Stages(tileN), stageBytes = StageBytes(tileN);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        // Of the weights that a pair of blocks shares each brings the half of its rank, to both.
        int half = pairs ? Pin.Int32(Cluster.Rank() * (tileN / 2)) : 0;
        int first = Pin.Int32((Group.IdxX & 31) == 0 ? 1 : 0), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int loadedBytes = Pin.Int32(stageBytes - (TileM - BoxRows(rows)) * 128);
        // The weights of the only row tile are read once.
        long mapA = Tma.MapA(), mapB = Tma.MapB(), policy = Pin.Int64(tilesM == 1 ? CachePolicy.ReadOnce : CachePolicy.Normal);
        int turns = fours ? ScaleSlots.FilledUp(blocks) : blocks, slot = shared + ScaleOffset(tileN), stage = 0, phase = 1, number = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            Shared.Store4(full + PlaceOffset + (number & Places - 1) * 4, mn, first);
            Warpgroup.SyncWarp();
            number++;
            for (int block = 0; block < turns; block++)
            {
                int barrier = full + stage * 8, target = shared + stage * stageBytes;
                MBarrier.Wait(empty + stage * 8, phase);
                // A stage that the tile has no block for is passed over.
                bool present = !fours || block < blocks, brings = scales && (block & ScaleSlots.Blocks - 1) == 0;
                MBarrier.ArriveExpect(barrier, present ? loadedBytes + (brings ? ScaleSlots.LoadedBytes : 0) : 0);
                if (present)
                {
                    Tma.Load(target, mapA, block * 128, m0, barrier);
                    if (pairs)
                        Tma.LoadToBoth(target + (TileM + half) * 128, mapB, block * 128, n0 + half, barrier);
                    else
                        Tma.Load(target + TileM * 128, mapB, block * 128, n0, barrier, policy);
                }
                if (brings)
                {
                    int weightSlot = slot + ScaleSlots.WeightOffset + (fours ? (phase ^ 1) * ScaleSlots.WeightBytes : 0);
                    long weight = weightScales + ((long)(n0 >> 7) * blocks + block) * 4;
                    Tma.Load(slot, Tma.MapOfScales(), block, m0, barrier);
                    Tma.Load16(weightSlot, weight, barrier);
                    Tma.Load16(weightSlot + ScaleSlots.RowBytes, n0 >> 7 < lastBlockRow ? weight + blocks * 4 : weight, barrier);
                    if (!fours)
                        slot = ScaleSlots.Next(slot, shared + ScaleOffset(tileN), stages);
                }
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
        }
    }
}
