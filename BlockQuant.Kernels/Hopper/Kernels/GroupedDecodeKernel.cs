using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="GroupedPrefillKernel"/> for few rows an expert, at the speed that memory gives up the weights. The operands
/// are swapped as in <see cref="DecodeKernel"/>: 128 weight rows are a tile's rows and up to 64 rows its columns. The kernel is
/// persistent: one warp keeps a ring that fills shared memory, so that loads go on while a tile's results are written. Results may go
/// to other rows than the operands come from, so that rows sorted by expert get back to where they were.
/// </summary>
/// <remarks>K is not split, so a result does not depend on the other rows or on the number of tiles.</remarks>
internal static class GroupedDecodeKernel
{
    /// <summary>Threads of a block: two warpgroups that multiply and a warp that loads.</summary>
    public const int Threads = 288;

    /// <summary>Weight rows of a tile.</summary>
    public const int TileN = 128;

    private const int WeightBytes = TileN * 128;
    private const int SumPitch = (TileN + 4) * 4;
    private const int EmptyOffset = 128;
    private const int BarrierBytes = 256;
    private const int SharedLimit = 227 * 1024;

    public static void Tile16(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ends, long tileOffsets, int experts, long outputRows) =>
        Body<Acc8>(
            16, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, columns, depth, ends, tileOffsets,
            experts, outputRows);

    public static void Tile32(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ends, long tileOffsets, int experts, long outputRows) =>
        Body<Acc16>(
            32, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, columns, depth, ends, tileOffsets,
            experts, outputRows);

    public static void Tile64(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ends, long tileOffsets, int experts, long outputRows) =>
        Body<Acc32>(
            64, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, columns, depth, ends, tileOffsets,
            experts, outputRows);

    /// <summary>Dynamic shared memory of a launch.</summary>
    public static int SharedBytes(int tokens) => BarrierOffset(tokens) + BarrierBytes;

    private static int StageBytes(int tokens) => WeightBytes + tokens * 128;

    // The scales of a stage: one for each token, then the weight block's.
    private static int ScaleBytes(int tokens) => tokens * 4 + 16;

    // As many as fit beside the sums of a tile.
    private static int Stages(int tokens) =>
        (SharedLimit - tokens * SumPitch - BarrierBytes) / (StageBytes(tokens) + ScaleBytes(tokens));

    private static int SumOffset(int tokens) => Stages(tokens) * StageBytes(tokens);

    private static int ScaleOffset(int tokens) => SumOffset(tokens) + tokens * SumPitch;

    private static int BarrierOffset(int tokens) => ScaleOffset(tokens) + Stages(tokens) * ScaleBytes(tokens);

    private static void Load(
        int tokens, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int columns, int blocks, int tiles,
        int tilesN, long ends, long tileOffsets, int experts)
    {
        int stages = Stages(tokens), stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens), empty = full + EmptyOffset;
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int lane = Pin.Int32(Group.IdxX & 31), blockRows = Pin.Int32((columns + 127) >> 7);
        int scales = Pin.Int32(shared + ScaleOffset(tokens)), own = Pin.Int32(lane < tokens ? 1 : 0), leader = Pin.Int32(lane == 0 ? 1 : 0);
        int stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            var place = ExpertTile.Locate(tile, tilesN, tokens, TileN, 16, ends, tileOffsets, experts);
            int weightRow = Pin.Int32(place.Expert * columns + place.Column);
            // Tokens past the tile's end take its last one's scale: their products are never stored.
            int last = Pin.Int32(place.End - 1 - place.Row);
            long first = Pin.Int64(rowScales + (place.Row + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (place.Row + Math.Min(lane + 32, last)) * rowPitch - first);
            long weight = Pin.Int64(weightScales + ((long)place.Expert * blockRows + (place.Column >> 7)) * blocks * 4);
            for (int block = 0; block < blocks; block++)
            {
                int barrier = full + stage * 8, target = shared + stage * stageBytes, slot = scales + stage * ScaleBytes(tokens);
                MBarrier.Wait(empty + stage * 8, phase);
                MBarrier.ArriveExpect(barrier, stageBytes);
                Tma.Load(target, mapB, block * 128, weightRow, barrier);
                Tma.Load(target + WeightBytes, mapA, block * 128, place.Row, barrier);
                AsyncCopy.Copy4(slot + lane * 4, first, own);
                if (tokens >= 64)
                    AsyncCopy.Copy4(slot + lane * 4 + 128, first + second, 1);
                AsyncCopy.Copy4(slot + tokens * 4, weight, leader);
                MBarrier.ArriveAfterCopies(barrier);
                first += blockPitch;
                weight += 4;
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
        }
    }

    private static int Enter(int tokens)
    {
        int shared = Shared.Base();
        int full = shared + BarrierOffset(tokens);
        StageBarriers.Initialize(Threads / 32, Stages(tokens), full, 33, full + EmptyOffset, StageBarriers.Lanes);
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // A warp writes a token's 128 columns at a time, four a lane.
    private static void Store(
        int sums, long output, long outputPitch, int outputType, int vector, ExpertTile place, int columns, long outputRows)
    {
        int lane = Group.IdxX & 31, column = place.Column + lane * 4;
        int count = columns - column, whole = count > 3 ? vector : 0;
        int present = place.End - place.Row;
        for (int token = Warpgroup.Warp(); token < present; token += 8)
        {
            int row = place.Row + token;
            if (outputRows != 0)
                row = Global.Int32(outputRows + (long)row * 4);
            // In a cluster of one block.
            var sum = Cluster.Sum(sums + token * SumPitch + lane * 16);
            long target = output + row * outputPitch;
            OutputNeighbours.Store(sum, target, outputType, column, count, whole);
        }
    }

    private static void Body<TAcc>(
        int tokens, long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int columns, int depth, long ends, long tileOffsets, int experts, long outputRows)
        where TAcc : unmanaged
    {
        int shared = Enter(tokens);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int tilesN = Pin.Int32((columns + TileN - 1) / TileN);
        int tiles = Pin.Int32(ExpertTile.RowTiles(tileOffsets, experts) * tilesN);
        int group = Warpgroup.Index();
        if (group == 2)
        {
            Load(
                tokens, shared, rowScales, rowPitch, blockPitch, weightScales, columns, blocks, tiles, tilesN, ends, tileOffsets, experts);
            return;
        }
        int stages = Stages(tokens), stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens), empty = full + EmptyOffset;
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32(Group.IdxX >> 5);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + group * 8192)), operandB = Pin.Int32(Wgmma.Descriptor(shared + WeightBytes));
        int scales = Pin.Int32(shared + ScaleOffset(tokens)), laneScale = Pin.Int32((lane & 3) * 8);
        int sums = Pin.Int32(shared + SumOffset(tokens));
        int ownSums = Pin.Int32(sums + (lane & 3) * 2 * SumPitch + (warp * 16 + (lane >> 2)) * 4);
        int stage = 0, phase = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            var place = ExpertTile.Locate(tile, tilesN, tokens, TileN, 16, ends, tileOffsets, experts);
            var acc = default(TAcc);
            for (int block = 0; block < blocks; block++)
            {
                int slot = scales + stage * ScaleBytes(tokens), offset = stage * (stageBytes / 16);
                MBarrier.Wait(full + stage * 8, phase);
                acc = Wgmma.MultiplyColumns(
                    acc, operandA + offset, operandB + offset, empty + stage * 8, slot + laneScale, slot + tokens * 4);
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
            // Not before every warp has written the sums of the tile before.
            Warpgroup.Sync(1, 256);
            Epilogue.StageColumns(acc, ownSums, SumPitch);
            Warpgroup.Sync(1, 256);
            Store(sums, output, outputPitch, outputType, vector, place, columns, outputRows);
        }
    }
}
