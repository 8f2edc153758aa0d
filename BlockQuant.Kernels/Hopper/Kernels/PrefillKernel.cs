using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ_kb sa[m, kb] · sb[n / 128, kb] · Σ_k A[m, k] · B[n, k], for many tokens. A persistent, warp-specialised kernel after
/// DeepGEMM's: one warp feeds a ring of stages through the copy engine, two warpgroups each multiply 64 of a tile's 128 rows and
/// promote every 128-wide block of K to float32, and a last warp writes finished tiles through the copy engine while the next ones
/// are multiplied. Tiles are 128 × 32…256; the width is what the waves of the problem divide best by. The widest, which the tensor cores
/// bind, begin at the first of four stages and have four blocks of K worked off without a branch between them: addresses are known
/// when the kernel is compiled, a stage's arrival is asked for before the last is promoted, and so the next product starts that much
/// sooner (4 % of a multiprocessor's cycles).
/// </summary>
internal static class PrefillKernel
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    /// <summary>Rows of a tile.</summary>
    public const int TileM = 128;

    // The scales of a stage: one for each row, then those of the two weight blocks that a tile's columns lie in.
    internal const int WeightScaleOffset = TileM * 4;
    internal const int ScaleBytes = WeightScaleOffset + 16;
    internal const int EmptyOffset = 128;
    private const int RingBarrierOffset = 256;
    private const int BarrierBytes = RingBarrierOffset + OutputRing.BarrierBytes;
    private const int SharedLimit = 227 * 1024;

    // Blocks of K that are worked off without a branch.
    private const int Four = 4;

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

    /// <summary>Stages of the ring: as many as fit beside the staged output.</summary>
    public static int Stages(int tileN) => (SharedLimit - StagingBytes(tileN) - BarrierBytes) / (StageBytes(tileN) + ScaleBytes);

    /// <summary>
    /// Rows of the activations' boxes: not more than there are. The copy engine takes longer over a row that does not exist than over
    /// one that does, and narrow tiles wait for it.
    /// </summary>
    public static int BoxRows(int rows) => Math.Min(TileM, (rows + 7) & ~7);

    /// <summary>Dynamic shared memory of a launch.</summary>
    public static int SharedBytes(int tileN) => BarrierOffset(tileN) + BarrierBytes;

    internal static int StageBytes(int tileN) => (TileM + tileN) * 128;

    // 32 columns are staged in one pass and need one buffer a warp.
    private static int StagingBytes(int tileN) => 8 * (tileN == 32 ? OutputTile.StagingBytes / 2 : OutputTile.StagingBytes);

    internal static int StagingOffset(int tileN) => Stages(tileN) * StageBytes(tileN);

    internal static int ScaleOffset(int tileN) => StagingOffset(tileN) + StagingBytes(tileN);

    internal static int BarrierOffset(int tileN) => ScaleOffset(tileN) + Stages(tileN) * ScaleBytes;

    // Whether a tile's halves of up to 128 columns each lie in one weight block.
    private static bool IsWithinBlocks(int tileN) => tileN % 128 == 0 || 128 % tileN == 0;

    // Whether four blocks are worked off at a time, from as many stages.
    private static bool TakesFours(int tileN) => tileN == 256;

    // Stages that a tile takes in turn: those of its blocks, filled up so that the next tile begins at the first.
    private static int Turns(bool fours, int blocks) => fours ? (blocks + Four - 1) & ~(Four - 1) : blocks;

    // m | n << 16 of the t-th tile: m runs fastest inside a band of groupM row tiles, so that the tiles in flight share operands in L2.
    internal static int Locate(int tile, int tilesM, int tilesN, int groupM)
    {
        int band = Pin.Int32(tile / (groupM * tilesN));
        int rest = tile - band * groupM * tilesN;
        int height = Math.Min(groupM, tilesM - band * groupM);
        int n = Pin.Int32(rest / height);
        return Pin.Int32(band * groupM + rest - n * height | n << 16);
    }

    // The last tile of more than 128 rows ends with them: rows that two tiles have come out the same from both, and absent rows, which
    // the copy engine takes longer over, are not asked for.
    internal static int FirstRow(int mn, int rows) => Pin.Int32(Math.Min((mn & 0xffff) * TileM, Math.Max(rows - TileM, 0)));

    // One warp: the operands of every stage, by the copy engine.
    internal static void LoadOperands(int tileN, bool fours, int shared, int rows, int columns, int blocks, int groupM)
    {
        int stages = Stages(tileN), stageBytes = StageBytes(tileN);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int loadedBytes = Pin.Int32(stageBytes - (TileM - BoxRows(rows)) * 128);
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int turns = Turns(fours, blocks), stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            for (int block = 0; block < turns; block++)
            {
                int barrier = full + stage * 8, target = shared + stage * stageBytes;
                MBarrier.Wait(empty + stage * 8, phase);
                // A stage that the tile has no block for is passed over.
                bool present = !fours || block < blocks;
                MBarrier.ArriveExpect(barrier, present ? loadedBytes : 0);
                if (present)
                {
                    Tma.Load(target, mapA, block * 128, m0, barrier);
                    Tma.Load(target + TileM * 128, mapB, block * 128, n0, barrier);
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

    // Another warp: the scales of every stage. Copies of 4 bytes serve either layout of the activation scales.
    internal static void LoadScales(
        int tileN, bool fours, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows, int columns, int blocks,
        int groupM)
    {
        int stages = Stages(tileN), turns = Turns(fours, blocks);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int lane = Pin.Int32(Group.IdxX & 31);
        int scales = Pin.Int32(shared + ScaleOffset(tileN) + lane * 4), two = Pin.Int32(lane < (128 % tileN == 0 ? 1 : 2) ? 1 : 0);
        int stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            // Rows past the end take the last row's scale: their products are 0 and never stored.
            int last = Pin.Int32(rows - 1 - m0);
            long first = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - first);
            long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - first);
            long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - first);
            long weight = Pin.Int64(weightScales + (long)Math.Min((n0 >> 7) + (lane & 1), lastBlockRow) * blocks * 4);
            for (int block = 0; block < turns; block++)
            {
                int target = scales + stage * ScaleBytes, present = fours ? Pin.Int32(block < blocks ? 1 : 0) : 1;
                MBarrier.Wait(empty + stage * 8, phase);
                AsyncCopy.Copy4(target, first, present);
                AsyncCopy.Copy4(target + 128, first + second, present);
                AsyncCopy.Copy4(target + 256, first + third, present);
                AsyncCopy.Copy4(target + 384, first + fourth, present);
                AsyncCopy.Copy4(target + WeightScaleOffset, weight, fours ? present & two : two);
                MBarrier.ArriveAfterCopies(full + stage * 8);
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

    // Another warp: finished tiles to global memory, in the order in which the warpgroups stage them.
    private static void StoreTiles(int tileN, int shared, int rows, int columns, int groupM)
    {
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int staging = shared + StagingOffset(tileN), barriers = shared + BarrierOffset(tileN) + RingBarrierOffset;
        int boxes = OutputRing.Boxes(tileN);
        int box = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
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
        if (Group.IdxX == 0)
        {
            StageBarriers.Initialize(Stages(tileN), full, 33, full + EmptyOffset);
            OutputRing.Initialize(full + RingBarrierOffset);
            MBarrier.PublishInitialization();
        }
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // The sums of a tile, four blocks at a time; a tile's stages begin at the first.
    private static TAcc MultiplyFours<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int laneScales, int weightScales, int full, int blocks, int turn, int split)
        where TAcc : unmanaged
    {
        int block = 0, whole = Pin.Int32(blocks & ~(Four - 1));
        for (; block < whole; block += Four)
        {
            int phase = (turn + block) / Four & 1;
            acc = Step(acc, tileN, operandA, operandB, laneScales, weightScales, full, 0, phase, split);
            acc = Step(acc, tileN, operandA, operandB, laneScales, weightScales, full, 1, phase, split);
            acc = Step(acc, tileN, operandA, operandB, laneScales, weightScales, full, 2, phase, split);
            acc = Step(acc, tileN, operandA, operandB, laneScales, weightScales, full, 3, phase, split);
        }
        for (; block < blocks; block++)
        {
            int stage = (turn + block) % Four, phase = (turn + block) / Four & 1;
            acc = Step(acc, tileN, operandA, operandB, laneScales, weightScales, full, stage, phase, split);
        }
        return acc;
    }

    private static TAcc Step<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int laneScales, int weightScales, int full, int stage, int phase, int split)
        where TAcc : unmanaged
    {
        int barrier = full + stage * 8, offset = stage * (StageBytes(tileN) / 16), slot = stage * ScaleBytes;
        MBarrier.Wait(barrier, phase);
        float upper = Shared.Single(laneScales + slot), lower = Shared.Single(laneScales + slot + 32);
        float left = Shared.Single(weightScales + slot), right = Shared.Single(weightScales + slot + 4);
        return Wgmma.MultiplyScaledRows(acc, operandA + offset, operandB + offset, barrier + EmptyOffset, upper, lower, left, right, split);
    }

    // Frees the stages that a tile has no block for.
    private static void PassOver(int full, int blocks, int turn)
    {
        for (int block = blocks; block < Turns(true, blocks); block++)
        {
            int barrier = full + (turn + block) % Four * 8;
            MBarrier.Wait(barrier, (turn + block) / Four & 1);
            MBarrier.Arrive(barrier + EmptyOffset);
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
            if (loader == 0)
                LoadOperands(tileN, TakesFours(tileN), shared, rows, columns, blocks, groupM);
            else if (loader == 1)
                LoadScales(tileN, TakesFours(tileN), shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            else if (loader == 2 && OutputRing.Takes(tileN) && store == (int)OutputStore.Ring)
                StoreTiles(tileN, shared, rows, columns, groupM);
            return;
        }
        Warpgroup.TakeRegisters(240);
        int stages = Stages(tileN), stageBytes = StageBytes(tileN);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16);
        int staging = Pin.Int32(shared + StagingOffset(tileN));
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192)), operandB = Pin.Int32(Wgmma.Descriptor(shared + TileM * 128));
        int scales = Pin.Int32(shared + ScaleOffset(tileN)), warpScale = Pin.Int32((warpRow + (lane >> 2)) * 4);
        int laneScales = Pin.Int32(scales + warpScale), blockScales = Pin.Int32(scales + WeightScaleOffset), barriers = Pin.Int32(full);
        int stage = 0, phase = 0, box = 0, turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            // Tiles of whole blocks, or of even parts of one, need not know where they lie to be multiplied.
            int mn = IsWithinBlocks(tileN) ? 0 : Locate(tile, tilesM, tilesN, groupM);
            int split = IsWithinBlocks(tileN) ? 128 : Pin.Int32(128 - ((mn >> 16) * tileN & 127));
            var acc = default(TAcc);
            if (TakesFours(tileN))
            {
                acc = MultiplyFours(acc, tileN, operandA, operandB, laneScales, blockScales, barriers, blocks, turn, split);
                PassOver(barriers, blocks, turn);
                turn += Turns(true, blocks);
            }
            else
            {
                for (int block = 0; block < blocks; block++)
                {
                    MBarrier.Wait(full + stage * 8, phase);
                    int slot = scales + stage * ScaleBytes;
                    acc = Wgmma.MultiplyRows(
                        acc, operandA + stage * (stageBytes / 16), operandB + stage * (stageBytes / 16), empty + stage * 8, slot + warpScale, slot + WeightScaleOffset, split);
                    stage++;
                    if (stage == stages)
                    {
                        stage = 0;
                        phase ^= 1;
                    }
                }
            }
            if (OutputRing.Takes(tileN) && store == (int)OutputStore.Ring)
            {
                OutputRing.Stage(
                    acc, tileN, outputType, staging + (group - 1) * OutputRing.GroupBytes,
                    full + RingBarrierOffset + (group - 1) * OutputRing.GroupBarrierBytes, box);
                box += OutputRing.Boxes(tileN);
            }
            else
            {
                if (IsWithinBlocks(tileN))
                    mn = Locate(tile, tilesM, tilesN, groupM);
                int m0 = Pin.Int32(FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
                OutputTile.Store(
                    acc, tileN, staging + warp * (StagingBytes(tileN) / 8), output, outputPitch, outputType, store, m0, n0, rows, columns);
            }
        }
    }
}
