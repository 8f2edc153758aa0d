using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ_kb sa[m, kb] · sb[n / 128, kb] · Σ_k A[m, k] · B[n, k], for many tokens. A persistent, warp-specialised kernel after
/// DeepGEMM's: one warp feeds a ring of stages through the copy engine, two warpgroups each multiply 64 of a tile's 128 rows and
/// promote every 128-wide block of K to float32, and a last warp writes finished tiles through the copy engine while the next ones
/// are multiplied. Tiles are 128 × 32…256; the width is what the waves of the problem divide best by.
/// </summary>
internal static class PrefillKernel
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    private const int RingBarrierOffset = PrefillRing.BarrierBytes;
    private const int BarrierBytes = RingBarrierOffset + OutputRing.BarrierBytes;

    public static void Tile32(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc16>(
            32, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    public static void Tile64(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc32>(
            64, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    public static void Tile128(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc64>(
            128, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    public static void Tile144(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc72>(
            144, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    public static void Tile192(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc96>(
            192, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    public static void Tile256(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc128>(
            256, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM);

    /// <summary>Dynamic shared memory of a launch.</summary>
    public static int SharedBytes(int tileN) => BarrierOffset(tileN) + BarrierBytes;

    // 32 columns are staged in one pass and need one buffer a warp.
    private static int StagingBytes(int tileN) => 8 * (tileN == 32 ? OutputTile.StagingBytes / 2 : OutputTile.StagingBytes);

    internal static int StagingOffset(int tileN) => PrefillRing.Stages(tileN) * PrefillRing.StageBytes(tileN);

    internal static int ScaleOffset(int tileN) => StagingOffset(tileN) + StagingBytes(tileN);

    internal static int BarrierOffset(int tileN) => ScaleOffset(tileN) + PrefillRing.ScaleBytes(tileN);

    // Another warp: finished tiles to global memory, in the order in which the warpgroups stage them.
    private static void StoreTiles(int tileN, int shared, int rows, int columns, int groupM)
    {
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int staging = shared + StagingOffset(tileN), barriers = shared + BarrierOffset(tileN) + RingBarrierOffset;
        int boxes = OutputRing.Boxes(tileN);
        int box = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int m0 = PrefillRing.FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            for (int i = 0; i < 2 * boxes; i++)
            {
                int lower = Pin.Int32(i >= boxes ? 1 : 0);
                int own = i - lower * boxes;
                OutputRing.Store(
                    staging + lower * OutputRing.GroupBytes, barriers + lower * OutputRing.GroupBarrierBytes, box + own,
                    n0 + own * OutputRing.BoxColumns, m0 + lower * OutputRing.BoxRows);
            }
            box += boxes;
        }
    }

    internal static int Enter(int tileN, int rows)
    {
        int shared = Shared.Base(), barriers = shared + BarrierOffset(tileN);
        if (rows < PrefillRing.TileM)
            PrefillRing.ClearAbsentRows(tileN, shared, rows, Threads);
        if (Group.IdxX == 0)
        {
            PrefillRing.Initialize(tileN, barriers);
            OutputRing.Initialize(barriers + RingBarrierOffset);
            MBarrier.PublishInitialization();
        }
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // The warps that load.
    internal static void Load(
        int loader, int tileN, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows, int columns, int blocks,
        int groupM)
    {
        int barriers = shared + BarrierOffset(tileN);
        if (loader == 0)
            PrefillRing.LoadOperands(tileN, shared, barriers, rows, columns, blocks, groupM);
        else if (loader == 1)
        {
            PrefillRing.LoadScales(
                tileN, shared + ScaleOffset(tileN), barriers, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
        }
    }

    private static void Body<TAcc>(
        int tileN, long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int groupM)
        where TAcc : unmanaged
    {
        int shared = Enter(tileN, rows);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            int loader = Warpgroup.Warp();
            Load(loader, tileN, shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            if (loader == 2 && OutputRing.Takes(tileN) && store == (int)OutputStore.Ring)
                StoreTiles(tileN, shared, rows, columns, groupM);
            return;
        }
        Warpgroup.TakeRegisters(240);
        int barriers = Pin.Int32(shared + BarrierOffset(tileN));
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), turns = Pin.Int32(PrefillRing.Turns(tileN, blocks));
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16);
        int staging = Pin.Int32(shared + StagingOffset(tileN));
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + PrefillRing.TileM * 128));
        int scales = shared + ScaleOffset(tileN);
        int laneScales = PrefillRing.LaneScales(scales, warpRow, lane), blockScales = PrefillRing.WeightScales(scales);
        int turn = 0, box = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            // Tiles of whole blocks, or of even parts of one, need not know where they lie to be multiplied.
            int mn = PrefillRing.IsWithinBlocks(tileN) ? 0 : PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int split = PrefillRing.IsWithinBlocks(tileN) ? 128 : Pin.Int32(128 - ((mn >> 16) * tileN & 127));
            var acc = PrefillRing.Multiply(
                default(TAcc), tileN, false, operandA, operandB, laneScales, blockScales, barriers, blocks, turn, split);
            PrefillRing.PassOver(tileN, barriers, blocks, turn);
            turn += turns;
            if (OutputRing.Takes(tileN) && store == (int)OutputStore.Ring)
            {
                OutputRing.Stage(
                    acc, tileN, outputType, staging + (group - 1) * OutputRing.GroupBytes,
                    barriers + RingBarrierOffset + (group - 1) * OutputRing.GroupBarrierBytes, box);
                box += OutputRing.Boxes(tileN);
            }
            else
            {
                if (PrefillRing.IsWithinBlocks(tileN))
                    mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
                int m0 = Pin.Int32(PrefillRing.FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
                OutputTile.Store(
                    acc, tileN, staging + warp * (StagingBytes(tileN) / 8), output, outputPitch, outputType, store, m0, n0, rows, columns);
            }
        }
    }
}
