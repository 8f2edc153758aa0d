using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="GroupedPrefillKernel"/> for some hundred rows an expert, where reading the weights takes as long as
/// multiplying. A tile is up to 256 rows by 128 weight rows, worked on in pieces of 64 rows: what an expert has not is neither loaded
/// nor multiplied, and an expert of up to 256 rows reads its weights once. The two warpgroups take pieces in turn; of an odd last piece
/// each takes half of the columns.
/// </summary>
internal static class GroupedRaggedKernel
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    /// <summary>Weight rows of a tile.</summary>
    public const int TileN = 128;

    /// <summary>Rows of a piece, and of a box that the copy engine brings.</summary>
    public const int PieceM = 64;

    /// <summary>The most rows of a tile.</summary>
    public const int MaxTileM = 256;

    /// <summary>Dynamic shared memory of a launch.</summary>
    public const int SharedBytes = BarrierOffset + 2 * Stages * 8;

    // A power of two, so that a count of stages tells place and phase.
    private const int Stages = 4;
    private const int PieceBytes = PieceM * 128;
    private const int WeightOffset = MaxTileM * 128;
    private const int StageBytes = WeightOffset + TileN * 128;
    private const int WarpStagingBytes = 2048;
    private const int StagingOffset = Stages * StageBytes;

    // Slots as ScaleSlots describes them, each of all rows, then of the weight block.
    private const int WeightScaleOffset = MaxTileM * ScaleSlots.RowBytes;
    private const int SlotBytes = WeightScaleOffset + 128;
    private const int Slots = 2;
    private const int ScaleOffset = StagingOffset + 8 * WarpStagingBytes;
    private const int BarrierOffset = ScaleOffset + Slots * SlotBytes;

    public static void Run(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ends, long tileOffsets, int experts, int groupM)
    {
        // Where the copy engine brings the scales, there is no pitch for lanes to bring them by.
        bool engine = blockPitch == 0;
        int shared = Enter(engine);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int tilesN = Pin.Int32((columns + TileN - 1) / TileN);
        int tiles = Pin.Int32(ExpertTile.RowTiles(tileOffsets, experts) * tilesN);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(40);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                LoadOperands(shared, engine, weightScales, columns, blocks, tiles, tilesN, ends, tileOffsets, experts, groupM);
            else if (loader < 3 && !engine)
            {
                LoadScales(
                    (loader - 1) * 128, shared, rowScales, rowPitch, blockPitch, weightScales, blocks, tiles, tilesN, ends, tileOffsets, experts,
                    groupM);
            }
            return;
        }
        Warpgroup.TakeRegisters(232);
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4), half = Pin.Int32(group - 1);
        int staging = Pin.Int32(shared + StagingOffset + warp * WarpStagingBytes);
        int warpRow = Pin.Int32((warp & 3) * 16);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared)), operandB = Pin.Int32(Wgmma.Descriptor(shared + WeightOffset));
        int ownA = Pin.Int32(operandA + half * (PieceBytes / 16)), ownB = Pin.Int32(operandB + half * (PieceBytes / 16));
        int scales = Pin.Int32(shared + ScaleOffset + (warpRow + (lane >> 2)) * ScaleSlots.RowBytes);
        int ownScales = Pin.Int32(scales + half * PieceM * ScaleSlots.RowBytes);
        int weightScale = Pin.Int32(shared + ScaleOffset + WeightScaleOffset);
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, PieceM, TileN, groupM, ends, tileOffsets, experts);
            int pieces = Pieces(place), end = turn + blocks;
            var acc = default(Acc128);
            if (pieces == 4)
            {
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = Slot(turn);
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    acc = Wgmma.MultiplyRowPairs(
                        acc, ownA + offset, operandB + offset, ownA + offset + 2 * (PieceBytes / 16), operandB + offset, empty + stage * 8,
                        ownScales + slot, ownScales + slot + 2 * PieceM * ScaleSlots.RowBytes, weightScale + slot, ScaleSlots.RowBytes);
                }
            }
            else if (pieces == 3)
            {
                var three = default(Acc96);
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = Slot(turn);
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    three = Wgmma.MultiplyRowPairs(
                        three, ownA + offset, operandB + offset, operandA + offset + 2 * (PieceBytes / 16), ownB + offset, empty + stage * 8,
                        ownScales + slot, scales + slot + 2 * PieceM * ScaleSlots.RowBytes, weightScale + slot, ScaleSlots.RowBytes);
                }
                acc.Low = three.Low;
                acc.High.Low = three.High;
            }
            else if (pieces == 2)
            {
                var two = default(Acc64);
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = Slot(turn);
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    two = Wgmma.MultiplyRows(
                        two, ownA + offset, operandB + offset, empty + stage * 8, ownScales + slot, weightScale + slot, ScaleSlots.RowBytes, 128);
                }
                acc.Low = two;
            }
            else
            {
                var one = default(Acc32);
                for (; turn < end; turn++)
                {
                    int stage = turn & Stages - 1, offset = stage * (StageBytes / 16), slot = Slot(turn);
                    MBarrier.Wait(full + stage * 8, turn / Stages & 1);
                    one = Wgmma.MultiplyRows(
                        one, operandA + offset, ownB + offset, empty + stage * 8, scales + slot, weightScale + slot, ScaleSlots.RowBytes, 128);
                }
                acc.High.Low = one;
            }
            int row = Pin.Int32(place.Row + warpRow), column = Pin.Int32(place.Column);
            if (pieces > 1)
            {
                Store(acc.Low.Low, staging, output, outputPitch, outputType, vector, row + half * PieceM, column, place.End, columns);
                Store(acc.Low.High, staging, output, outputPitch, outputType, vector, row + half * PieceM, column + 64, place.End, columns);
            }
            if (pieces == 2)
                continue;
            // An odd last piece lies behind the pieces before it, and only half of its columns are this warpgroup's.
            int lastRow = pieces == 4 ? row + (2 + half) * PieceM : row + (pieces - 1) * PieceM;
            int lastColumn = pieces == 4 ? column : column + half * 64;
            Store(acc.High.Low, staging, output, outputPitch, outputType, vector, lastRow, lastColumn, place.End, columns);
            if (pieces == 4)
                Store(acc.High.High, staging, output, outputPitch, outputType, vector, lastRow, column + 64, place.End, columns);
        }
    }

    // Where in the slots the scales are of the block of K that comes in a turn.
    private static int Slot(int turn) => (turn / ScaleSlots.Blocks & Slots - 1) * SlotBytes + (turn & ScaleSlots.Blocks - 1) * 4;

    private static int Pieces(ExpertTile place) => Pin.Int32((place.End - place.Row + PieceM - 1) / PieceM);

    // One warp: the operands of every stage, by the copy engine.
    private static void LoadOperands(
        int shared, bool scales, long weightScales, int columns, int blocks, int tiles, int tilesN, long ends, long tileOffsets, int experts,
        int groupM)
    {
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, PieceM, TileN, groupM, ends, tileOffsets, experts);
            int weightRow = Pin.Int32(place.Expert * columns + place.Column), pieces = Pieces(place);
            long weight = Pin.Int64(weightScales + ((long)place.Expert * tilesN + (place.Column >> 7)) * blocks * 4);
            for (int block = 0; block < blocks; block++, turn++)
            {
                int stage = turn & Stages - 1, barrier = full + stage * 8, target = shared + stage * StageBytes;
                MBarrier.Wait(empty + stage * 8, turn / Stages & 1 ^ 1);
                bool brings = scales && (block & ScaleSlots.Blocks - 1) == 0;
                int scaleBytes = brings ? pieces * PieceM * ScaleSlots.RowBytes + ScaleSlots.RowBytes : 0;
                MBarrier.ArriveExpect(barrier, pieces * PieceBytes + TileN * 128 + scaleBytes);
                Tma.Load(target + WeightOffset, mapB, block * 128, weightRow, barrier);
                for (int piece = 0; piece < pieces; piece++)
                    Tma.Load(target + piece * PieceBytes, mapA, block * 128, place.Row + piece * PieceM, barrier);
                if (!brings)
                    continue;
                int slot = shared + ScaleOffset + Slot(turn);
                for (int piece = 0; piece < pieces; piece++)
                    Tma.Load(slot + piece * PieceM * ScaleSlots.RowBytes, Tma.MapOfScales(), block, place.Row + piece * PieceM, barrier);
                Tma.Load16(slot + WeightScaleOffset, weight + block * 4, barrier);
            }
        }
    }

    // Where the copy engine does not bring the scales, two other warps do by copies of 4 bytes, each those of 128 rows from `first` on.
    private static void LoadScales(
        int first, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int blocks, int tiles, int tilesN,
        long ends, long tileOffsets, int experts, int groupM)
    {
        int full = shared + BarrierOffset, empty = full + Stages * 8;
        int lane = Pin.Int32(Group.IdxX & 31);
        int scales = Pin.Int32(shared + ScaleOffset + (first + lane) * ScaleSlots.RowBytes);
        int weightTarget = Pin.Int32(shared + ScaleOffset + WeightScaleOffset);
        int leader = Pin.Int32(first + lane == 0 ? 1 : 0);
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile = ExpertTile.Next(tile))
        {
            var place = ExpertTile.Locate(tile, tilesN, PieceM, TileN, groupM, ends, tileOffsets, experts);
            // Rows past the tile's end take its last row's scale: their products are never stored.
            int row = Pin.Int32(place.Row + first + lane), last = Pin.Int32(place.End - 1);
            long scale = Pin.Int64(rowScales + Math.Min(row, last) * rowPitch);
            long second = Pin.Int64(rowScales + Math.Min(row + 32, last) * rowPitch - scale);
            long third = Pin.Int64(rowScales + Math.Min(row + 64, last) * rowPitch - scale);
            long fourth = Pin.Int64(rowScales + Math.Min(row + 96, last) * rowPitch - scale);
            long weight = Pin.Int64(weightScales + ((long)place.Expert * tilesN + (place.Column >> 7)) * blocks * 4);
            int present = Pin.Int32(place.End - place.Row > first ? 1 : 0);
            for (int block = 0; block < blocks; block++, turn++)
            {
                int stage = turn & Stages - 1, target = scales + Slot(turn);
                MBarrier.Wait(empty + stage * 8, turn / Stages & 1 ^ 1);
                AsyncCopy.Copy4(target, scale, present);
                AsyncCopy.Copy4(target + 32 * ScaleSlots.RowBytes, scale + second, present);
                AsyncCopy.Copy4(target + 64 * ScaleSlots.RowBytes, scale + third, present);
                AsyncCopy.Copy4(target + 96 * ScaleSlots.RowBytes, scale + fourth, present);
                AsyncCopy.Copy4(weightTarget + Slot(turn), weight, leader);
                MBarrier.ArriveAfterCopies(full + stage * 8);
                scale += blockPitch;
                weight += 4;
            }
        }
    }

    private static int Enter(bool engine)
    {
        int shared = Shared.Base();
        int full = shared + BarrierOffset;
        StageBarriers.Initialize(Threads / 32, Stages, full, engine ? 1 : 65, full + Stages * 8, StageBarriers.Lanes);
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // 64 columns fill one staging buffer as half precision, and two as float32.
    private static void Store(
        Acc32 acc, int staging, long output, long pitch, int type, int vector, int row, int column, int rows, int columns)
    {
        if (type == (int)OutputType.Single)
        {
            OutputTile.Store(acc.Low, 32, staging, output, pitch, type, vector, row, column, rows, columns);
            OutputTile.Store(acc.High, 32, staging, output, pitch, type, vector, row, column + 32, rows, columns);
        }
        else
            OutputTile.Store(acc, 64, staging, output, pitch, type, vector, row, column, rows, columns);
    }
}
