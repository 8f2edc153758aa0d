using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// <see cref="PrefillKernel"/> over rows that are sorted by expert, each times its expert's weights, none padded. A tile may read rows
/// of the next expert, whose products are not stored. Where an expert has at most 64 rows left, the two warpgroups share the tile's
/// columns instead of its rows, so that a ragged end multiplies half of a tile.
/// </summary>
/// <remarks>Method: DeepGEMM's grouped contiguous product, with offsets per expert in place of a padded expert id per row.</remarks>
internal static class GroupedPrefillKernel
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    /// <summary>Rows of a tile.</summary>
    public const int TileM = 128;

    /// <summary>Weight rows of a tile.</summary>
    public const int TileN = 256;

    /// <summary>Dynamic shared memory of a launch.</summary>
    public const int SharedBytes = BarrierOffset + 2 * Stages * 8;

    // A power of two, so that a count of stages tells place and phase.
    private const int Stages = 4;
    private const int WeightOffset = TileM * 128;
    private const int StageBytes = WeightOffset + TileN * 128;
    private const int WarpStagingBytes = 4096;
    private const int StagingOffset = Stages * StageBytes;

    // The scales of a stage: one for each row, then those of the two weight blocks that a tile's columns lie in.
    private const int WeightScaleOffset = TileM * 4;
    private const int ScaleBytes = WeightScaleOffset + 16;
    private const int ScaleOffset = StagingOffset + 8 * WarpStagingBytes;
    private const int BarrierOffset = ScaleOffset + Stages * ScaleBytes;

    public static void Run(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ends, long tileOffsets, int experts, int groupM)
    {
        int shared = Enter();
        int blocks = Pin.Int32((depth + 127) >> 7);
        int tilesN = Pin.Int32((columns + TileN - 1) / TileN);
        int tiles = Pin.Int32(ExpertTile.RowTiles(tileOffsets, experts) * tilesN);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(40);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                LoadOperands(shared, columns, blocks, tiles, tilesN, ends, tileOffsets, experts, groupM);
            else if (loader == 1)
            {
                LoadScales(
                    shared, rowScales, rowPitch, blockPitch, weightScales, columns, blocks, tiles, tilesN, ends, tileOffsets, experts, groupM);
            }
            return;
        }
        Warpgroup.TakeRegisters(232);
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4), half = Pin.Int32(group - 1);
        int staging = Pin.Int32(shared + StagingOffset + warp * WarpStagingBytes);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared)), operandB = Pin.Int32(Wgmma.Descriptor(shared + WeightOffset));
        int ownA = Pin.Int32(operandA + half * (WeightOffset / 2 / 16)), ownB = Pin.Int32(operandB + half * (TileN / 2 * 128 / 16));
        int pieceRow = Pin.Int32((warp & 3) * 16), warpRow = Pin.Int32(warp * 16);
        int scales = Pin.Int32(shared + ScaleOffset + (pieceRow + (lane >> 2)) * 4), ownScales = Pin.Int32(scales + half * (TileM / 2) * 4);
        int blockScales = Pin.Int32(shared + ScaleOffset + WeightScaleOffset);
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, TileM, TileN, groupM, ends, tileOffsets, experts);
            int end = turn + blocks;
            if (place.End - place.Row > TileM / 2)
            {
                var acc = default(Acc128);
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = stage * ScaleBytes;
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    acc = Wgmma.MultiplyRows(
                        acc, ownA + offset, operandB + offset, empty + stage * 8, ownScales + slot, blockScales + slot, 4, 128);
                }
                OutputTile.Store(
                    acc, TileN, staging, output, outputPitch, outputType, vector, place.Row + warpRow, place.Column, place.End, columns);
            }
            else
            {
                int weightScale = Pin.Int32(blockScales + half * 4);
                var acc = default(Acc64);
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = stage * ScaleBytes;
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    acc = Wgmma.MultiplyRows(
                        acc, operandA + offset, ownB + offset, empty + stage * 8, scales + slot, weightScale + slot, 4, 128);
                }
                OutputTile.Store(
                    acc, TileN / 2, staging, output, outputPitch, outputType, vector, place.Row + pieceRow, place.Column + half * (TileN / 2),
                    place.End, columns);
            }
        }
    }

    // One warp: the operands of every stage, by the copy engine.
    private static void LoadOperands(
        int shared, int columns, int blocks, int tiles, int tilesN, long ends, long tileOffsets, int experts, int groupM)
    {
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, TileM, TileN, groupM, ends, tileOffsets, experts);
            int weightRow = Pin.Int32(place.Expert * columns + place.Column);
            for (int block = 0; block < blocks; block++, turn++)
            {
                int stage = turn & Stages - 1, barrier = full + stage * 8, target = shared + stage * StageBytes;
                MBarrier.Wait(empty + stage * 8, turn / Stages & 1 ^ 1);
                MBarrier.ArriveExpect(barrier, StageBytes);
                Tma.Load(target, mapA, block * 128, place.Row, barrier);
                Tma.Load(target + WeightOffset, mapB, block * 128, weightRow, barrier);
            }
        }
    }

    // Another warp: the scales of every stage. Copies of 4 bytes serve either layout of the activation scales.
    private static void LoadScales(
        int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int columns, int blocks, int tiles, int tilesN,
        long ends, long tileOffsets, int experts, int groupM)
    {
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        int lane = Pin.Int32(Group.IdxX & 31), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int scales = Pin.Int32(shared + ScaleOffset + lane * 4), two = Pin.Int32(lane < 2 ? 1 : 0);
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, TileM, TileN, groupM, ends, tileOffsets, experts);
            // Rows past the tile's end take its last row's scale: their products are never stored.
            int last = Pin.Int32(place.End - 1 - place.Row);
            long first = Pin.Int64(rowScales + (place.Row + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (place.Row + Math.Min(lane + 32, last)) * rowPitch - first);
            long third = Pin.Int64(rowScales + (place.Row + Math.Min(lane + 64, last)) * rowPitch - first);
            long fourth = Pin.Int64(rowScales + (place.Row + Math.Min(lane + 96, last)) * rowPitch - first);
            long blockRow = (long)place.Expert * (lastBlockRow + 1) + Math.Min((place.Column >> 7) + (lane & 1), lastBlockRow);
            long weight = Pin.Int64(weightScales + blockRow * blocks * 4);
            for (int block = 0; block < blocks; block++, turn++)
            {
                int stage = turn & Stages - 1, target = scales + stage * ScaleBytes;
                MBarrier.Wait(empty + stage * 8, turn / Stages & 1 ^ 1);
                AsyncCopy.Copy4(target, first, 1);
                AsyncCopy.Copy4(target + 128, first + second, 1);
                AsyncCopy.Copy4(target + 256, first + third, 1);
                AsyncCopy.Copy4(target + 384, first + fourth, 1);
                AsyncCopy.Copy4(target + WeightScaleOffset, weight, two);
                MBarrier.ArriveAfterCopies(full + stage * 8);
                first += blockPitch;
                weight += 4;
            }
        }
    }

    private static int Enter()
    {
        int shared = Shared.Base();
        int full = shared + BarrierOffset;
        StageBarriers.Initialize(Threads / 32, Stages, full, 33, full + Stages * 8, StageBarriers.Lanes);
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }
}
