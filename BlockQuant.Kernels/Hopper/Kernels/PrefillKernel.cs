using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ_kb sa[m, kb] · sb[n / 128, kb] · Σ_k A[m, k] · B[n, k], for many tokens. A persistent, warp-specialised kernel after
/// DeepGEMM's: one warp feeds a ring of stages through the copy engine, two warpgroups each multiply 64 of a tile's 128 rows and
/// promote every 128-wide block of K to float32. Tiles are 128 × 32…256; the width is what the waves of the problem divide best by. The
/// two widest, which the tensor cores bind, begin at the first of four stages and have four blocks of K worked off without a branch between
/// them: addresses are known when the kernel is compiled, a stage's arrival is asked for before the last is promoted, and so the next
/// product starts that much sooner (4 % of a multiprocessor's cycles). Their scales come four blocks at a time, by the copy engine where
/// they lie so that it can bring them (2 to 3 %).
/// </summary>
internal static class PrefillKernel
{
    /// <summary>Threads of a block: a warpgroup that loads and two that multiply.</summary>
    public const int Threads = 384;

    /// <summary>Rows of a tile.</summary>
    public const int TileM = 128;

    // The scales of a stage: one for each row, then those of the two weight blocks that a tile's columns lie in. Where four blocks are worked
    // off at a time their scales come together, with the first, in the place of the four stages': four for each row, which go to registers
    // before the stage is free, then twice, for turn and turn about, four for each weight block.
    internal const int WeightScaleOffset = TileM * 4;
    internal const int ScaleBytes = WeightScaleOffset + 16;
    private const int FourWeightScalesOffset = Four * WeightScaleOffset;
    private const int FourWeightScalesBytes = 2 * Four * 4;
    private const int FourScalesBytes = FourWeightScalesOffset + FourWeightScalesBytes;
    internal const int EmptyOffset = 128;
    private const int PlaceOffset = 256;
    private const int BarrierBytes = PlaceOffset + Places * 4;

    // Tiles that the loading warp may be ahead of the others, and more: a power of two above the stages of any width.
    private const int Places = 16;
    private const int SharedLimit = 227 * 1024;

    // In place of the rank of the other block of a pair.
    private const int NoPeer = -1;

    /// <summary>Blocks of K that are worked off without a branch.</summary>
    internal const int Four = 4;

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

    public static void Tile256Pairs(
        long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int groupM) =>
        Body<Acc128>(
            256, output, outputPitch, outputType, store, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM, pairs: true);

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
    internal static bool TakesFours(int tileN) => tileN >= 192;

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

    // How many of the tiles are this block's.
    private static int Count(int tiles) => Pin.Int32((tiles - Grid.IdxX + Grid.DimX - 1) / Grid.DimX);

    // Where the number-th tile of this block lies, as Locate has it; to be asked for once a stage of the tile has come.
    private static int Place(int full, int number) => Pin.Int32(Shared.Int32(full + PlaceOffset + (number & Places - 1) * 4));

    // One warp: the operands of every stage, by the copy engine, and where their tile lies: the divisions that tell take longer than the
    // multiplying warps, which wait for nothing else between two tiles, should spend.
    internal static void LoadOperands(
        int tileN, bool fours, bool scales, int shared, long weightScales, int rows, int columns, int blocks, int groupM,
        bool pairs = false)
    {
        int stages = Stages(tileN), stageBytes = StageBytes(tileN);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        // Of the weights that a pair of blocks shares each brings the half of its rank, to both.
        int half = pairs ? Pin.Int32(Cluster.Rank() * (tileN / 2)) : 0;
        int first = Pin.Int32((Group.IdxX & 31) == 0 ? 1 : 0), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int loadedBytes = Pin.Int32(stageBytes - (TileM - BoxRows(rows)) * 128);
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int turns = Turns(fours, blocks), stage = 0, phase = 1, number = 0;
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
                bool present = !fours || block < blocks;
                int scaleBytes = fours && scales && stage == 0 ? FourScalesBytes : 0;
                MBarrier.ArriveExpect(barrier, present ? loadedBytes + scaleBytes : 0);
                if (present)
                {
                    Tma.Load(target, mapA, block * 128, m0, barrier);
                    if (pairs)
                        Tma.LoadToBoth(target + (TileM + half) * 128, mapB, block * 128, n0 + half, barrier);
                    else
                        Tma.Load(target + TileM * 128, mapB, block * 128, n0, barrier);
                }
                if (scaleBytes > 0)
                {
                    int slot = shared + ScaleOffset(tileN), weightSlot = slot + FourWeightScalesOffset + (phase ^ 1) * FourWeightScalesBytes;
                    long weight = weightScales + ((long)(n0 >> 7) * blocks + block) * 4;
                    Tma.Load(slot, Tma.MapOfScales(), block, m0, barrier);
                    Tma.Load16(weightSlot, weight, barrier);
                    Tma.Load16(weightSlot + Four * 4, n0 >> 7 < lastBlockRow ? weight + blocks * 4 : weight, barrier);
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
        int lane = Pin.Int32(Group.IdxX & 31), step = fours ? Four * 4 : 4;
        int scales = Pin.Int32(shared + ScaleOffset(tileN) + lane * step), two = Pin.Int32(lane < (128 % tileN == 0 ? 1 : 2) ? 1 : 0);
        int weightTarget = Pin.Int32(shared + ScaleOffset(tileN) + (fours ? FourWeightScalesOffset : WeightScaleOffset) + lane * step);
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
                int slot = fours ? (block & Four - 1) * 4 : stage * ScaleBytes, target = scales + slot;
                // Four blocks' scales fill their place together, when the first stage is free.
                if (!fours || (block & Four - 1) == 0)
                    MBarrier.Wait(empty + stage * 8, phase);
                AsyncCopy.Copy4(target, first, 1);
                AsyncCopy.Copy4(target + 32 * step, first + second, 1);
                AsyncCopy.Copy4(target + 64 * step, first + third, 1);
                AsyncCopy.Copy4(target + 96 * step, first + fourth, 1);
                AsyncCopy.Copy4(weightTarget + (fours ? slot + (phase ^ 1) * FourWeightScalesBytes : slot), weight, two);
                // The last block's take the place of those that a tile has not.
                if (!fours || block < blocks - 1)
                {
                    first += blockPitch;
                    weight += 4;
                }
                if (fours && (block & Four - 1) != Four - 1)
                    continue;
                MBarrier.ArriveAfterCopies(full + stage * 8);
                if (!fours)
                    stage++;
                if (fours || stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
        }
    }

    internal static int Enter(int tileN, bool fours, bool scales, int rows, bool pairs = false)
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
            int lanes = scales ? 0 : 32;
            StageBarriers.Initialize(Stages(tileN), full, 1 + lanes, 1 + (fours ? 0 : lanes), full + EmptyOffset, pairs ? 2 : 1);
            MBarrier.PublishInitialization();
        }
        if (pairs)
            Cluster.Sync();
        else
            Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        return shared;
    }

    // The sums of a tile, four blocks at a time; a tile's stages begin at the first.
    private static TAcc MultiplyFours<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int laneScales, int blockScales, int full, int blocks, int turn, int split, int peer)
        where TAcc : unmanaged
    {
        int rest = Pin.Int32(blocks & Four - 1), end = turn + blocks / Four;
        for (; turn < end; turn++)
        {
            int phase = turn & 1, weightScales = blockScales + phase * FourWeightScalesBytes;
            MBarrier.Wait(full, phase);
            Acc4 uppers = Shared.Four(laneScales), lowers = Shared.Four(laneScales + 8 * Four * 4);
            // The one lane that frees the first stage does so for the scales that the others have read.
            Warpgroup.SyncWarp();
            acc = Step(acc, tileN, operandA, operandB, full, weightScales, 0, uppers.E0, lowers.E0, split, peer);
            MBarrier.Wait(full + 8, phase);
            acc = Step(acc, tileN, operandA, operandB, full, weightScales, 1, uppers.E1, lowers.E1, split, peer);
            MBarrier.Wait(full + 16, phase);
            acc = Step(acc, tileN, operandA, operandB, full, weightScales, 2, uppers.E2, lowers.E2, split, peer);
            MBarrier.Wait(full + 24, phase);
            acc = Step(acc, tileN, operandA, operandB, full, weightScales, 3, uppers.E3, lowers.E3, split, peer);
        }
        return rest > 0 ? MultiplyRest(acc, tileN, operandA, operandB, laneScales, blockScales, full, rest, turn, split, peer) : acc;
    }

    // The blocks that do not make four.
    private static TAcc MultiplyRest<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int laneScales, int blockScales, int full, int rest, int turn, int split, int peer)
        where TAcc : unmanaged
    {
        int phase = turn & 1, weightScales = blockScales + phase * FourWeightScalesBytes;
        MBarrier.Wait(full, phase);
        Acc4 uppers = Shared.Four(laneScales), lowers = Shared.Four(laneScales + 8 * Four * 4);
        Warpgroup.SyncWarp();
        for (int stage = 0; stage < rest; stage++)
        {
            MBarrier.Wait(full + stage * 8, phase);
            float upper = stage == 0 ? uppers.E0 : stage == 1 ? uppers.E1 : uppers.E2;
            float lower = stage == 0 ? lowers.E0 : stage == 1 ? lowers.E1 : lowers.E2;
            acc = Step(acc, tileN, operandA, operandB, full, weightScales, stage, upper, lower, split, peer);
        }
        return acc;
    }

    private static TAcc Step<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int full, int weightScales, int stage, float upper, float lower, int split,
        int peer)
        where TAcc : unmanaged
    {
        int offset = stage * (StageBytes(tileN) / 16);
        float left = Shared.Single(weightScales + stage * 4), right = Shared.Single(weightScales + (Four + stage) * 4);
        return Wgmma.MultiplyScaledRows(
            acc, operandA + offset, operandB + offset, full + stage * 8 + EmptyOffset, upper, lower, left, right, split, peer);
    }

    // Frees the stages that a tile has no block for.
    private static void PassOver(int full, int blocks, int turn, int peer)
    {
        for (int stage = blocks & Four - 1; stage < Four; stage++)
        {
            MBarrier.Wait(full + stage * 8, turn & 1);
            MBarrier.Arrive(full + stage * 8 + EmptyOffset);
            if (peer != NoPeer)
                MBarrier.ArriveAt(full + stage * 8 + EmptyOffset, peer);
        }
    }

    private static void Body<TAcc>(
        int tileN, long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int groupM, bool pairs = false)
        where TAcc : unmanaged
    {
        // Where the copy engine brings the scales, there is no pitch for lanes to bring them by.
        bool engine = TakesFours(tileN) && blockPitch == 0;
        int shared = Enter(tileN, TakesFours(tileN), engine, rows, pairs);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                LoadOperands(tileN, TakesFours(tileN), engine, shared, weightScales, rows, columns, blocks, groupM, pairs);
            else if (loader == 1 && !engine)
                LoadScales(tileN, TakesFours(tileN), shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            if (pairs)
                Cluster.Sync();
            return;
        }
        Warpgroup.TakeRegisters(240);
        int stages = Stages(tileN), stageBytes = StageBytes(tileN);
        int full = shared + BarrierOffset(tileN), empty = full + EmptyOffset;
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int count = Count(tilesM * tilesN);
        int lane = Warpgroup.Lane(), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16);
        int staging = Pin.Int32(shared + StagingOffset(tileN) + warp * (StagingBytes(tileN) / 8));
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192)), operandB = Pin.Int32(Wgmma.Descriptor(shared + TileM * 128));
        int scales = Pin.Int32(shared + ScaleOffset(tileN)), warpScale = Pin.Int32((warpRow + (lane >> 2)) * 4);
        int laneScales = Pin.Int32(scales + warpScale * Four), blockScales = Pin.Int32(scales + FourWeightScalesOffset), barriers = Pin.Int32(full);
        int stage = 0, phase = 0, turn = 0, peer = pairs ? Pin.Int32(Cluster.Rank() ^ 1) : NoPeer;
        for (int number = 0; number < count; number++)
        {
            // Tiles of whole blocks, or of even parts of one, need not know where they lie to be multiplied.
            int split = 128;
            if (!IsWithinBlocks(tileN))
            {
                MBarrier.Wait(full + stage * 8, TakesFours(tileN) ? turn & 1 : phase);
                split = Pin.Int32(128 - ((Place(full, number) >> 16) * tileN & 127));
            }
            var acc = default(TAcc);
            if (TakesFours(tileN))
            {
                acc = MultiplyFours(acc, tileN, operandA, operandB, laneScales, blockScales, barriers, blocks, turn, split, peer);
                turn += blocks / Four;
                if ((blocks & Four - 1) != 0)
                    PassOver(barriers, blocks, turn++, peer);
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
            int mn = Place(full, number);
            int m0 = Pin.Int32(FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
            if (OutputBoxes.Takes(tileN) && store == (int)OutputStore.Boxes)
                OutputBoxes.Store(acc, tileN, staging, lane, output, outputPitch, outputType, m0, n0, rows, columns);
            else
                OutputTile.Store(acc, tileN, staging, output, outputPitch, outputType, store, m0, n0, rows, columns);
        }
        if (OutputBoxes.Takes(tileN))
            OutputBoxes.Finish();
        // Until then a block's barriers are arrived at, and its stages written, by the other.
        if (pairs)
            Cluster.Sync();
    }
}
