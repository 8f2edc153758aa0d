using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ_kb sa[m, kb] · sb[n / 128, kb] · Σ_k A[m, k] · B[n, k], for many tokens. A persistent, warp-specialised kernel after
/// DeepGEMM's: one warp feeds a ring of stages through the copy engine, two warpgroups each multiply 64 of a tile's 128 rows and
/// promote every 128-wide block of K to float32. Tiles are 128 × 32…256; the width is what the waves of the problem divide best by. The
/// two widest, which the tensor cores bind, begin at the first of four stages and have four blocks of K worked off without a branch between
/// them: addresses are known when the kernel is compiled, a stage's arrival is asked for before the last is promoted, and so the next
/// product starts that much sooner (4 % of a multiprocessor's cycles). Scales come four blocks at a time (<see cref="ScaleSlots"/>), by the
/// copy engine where they lie so that it can bring them.
/// </summary>
internal static class PrefillKernel
{
    // In place of the rank of the other block of a pair.
    private const int NoPeer = -1;

    /// <summary>Blocks of K that are worked off without a branch.</summary>
    private const int Four = ScaleSlots.Blocks;

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

    // Whether a tile's halves of up to 128 columns each lie in one weight block.
    private static bool IsWithinBlocks(int tileN) => tileN % 128 == 0 || 128 % tileN == 0;

    /// <summary>Dynamic shared memory of a launch.</summary>
    public static int SharedBytes(int tileN) =>
        PrefillRing.ScaleOffset(tileN) + ScaleSlots.Bytes(PrefillRing.Stages(tileN), TakesFours(tileN));

    // Whether four blocks are worked off at a time, from as many stages.
    private static bool TakesFours(int tileN) => tileN >= 192;

    // Where the copy engine does not bring the scales, another warp does, by copies of 4 bytes.
    private static void LoadScales(
        int tileN, bool fours, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows, int columns, int blocks,
        int groupM)
    {
        int stages = PrefillRing.Stages(tileN), turns = fours ? ScaleSlots.FilledUp(blocks) : blocks;
        int full = shared + PrefillRing.BarrierOffset(tileN), empty = full + PrefillRing.EmptyOffset;
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int lane = Pin.Int32(Group.IdxX & 31), two = Pin.Int32(lane < (128 % tileN == 0 ? 1 : 2) ? 1 : 0);
        int scales = Pin.Int32(shared + PrefillRing.ScaleOffset(tileN) + lane * ScaleSlots.RowBytes);
        int target = scales, stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int m0 = PrefillRing.FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            // Rows past the end take the last row's scale: their products are 0 and never stored.
            int last = Pin.Int32(rows - 1 - m0);
            long first = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - first);
            long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - first);
            long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - first);
            long weight = Pin.Int64(weightScales + (long)Math.Min((n0 >> 7) + (lane & 1), lastBlockRow) * blocks * 4);
            for (int block = 0; block < turns; block++)
            {
                // Four blocks' scales fill their slot together, when the first stage is free.
                if (!fours || (block & Four - 1) == 0)
                    MBarrier.Wait(empty + stage * 8, phase);
                AsyncCopy.Copy4(target, first, 1);
                AsyncCopy.Copy4(target + 32 * ScaleSlots.RowBytes, first + second, 1);
                AsyncCopy.Copy4(target + 64 * ScaleSlots.RowBytes, first + third, 1);
                AsyncCopy.Copy4(target + 96 * ScaleSlots.RowBytes, first + fourth, 1);
                AsyncCopy.Copy4(target + ScaleSlots.WeightOffset + (fours ? (phase ^ 1) * ScaleSlots.WeightBytes : 0), weight, two);
                // The last block's take the place of those that a tile has not.
                if (!fours || block < blocks - 1)
                {
                    first += blockPitch;
                    weight += 4;
                }
                target = fours ? scales + (block + 1 & Four - 1) * 4 : ScaleSlots.NextBlock(target, scales, stages);
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

    // The sums of a tile, four blocks at a time; a tile's stages begin at the first.
    private static TAcc MultiplyFours<TAcc>(
        TAcc acc, int tileN, int operandA, int operandB, int laneScales, int blockScales, int full, int blocks, int turn, int split, int peer)
        where TAcc : unmanaged
    {
        int rest = Pin.Int32(blocks & Four - 1), end = turn + blocks / Four;
        for (; turn < end; turn++)
        {
            int phase = turn & 1, weightScales = blockScales + phase * ScaleSlots.WeightBytes;
            MBarrier.Wait(full, phase);
            Acc4 uppers = Shared.Four(laneScales), lowers = Shared.Four(laneScales + 8 * ScaleSlots.RowBytes);
            MBarrier.ArriveEach(full + PrefillRing.EmptyOffset);
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
        int phase = turn & 1, weightScales = blockScales + phase * ScaleSlots.WeightBytes;
        MBarrier.Wait(full, phase);
        Acc4 uppers = Shared.Four(laneScales), lowers = Shared.Four(laneScales + 8 * ScaleSlots.RowBytes);
        MBarrier.ArriveEach(full + PrefillRing.EmptyOffset);
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
        int offset = stage * (PrefillRing.StageBytes(tileN) / 16);
        float left = Shared.Single(weightScales + stage * 4), right = Shared.Single(weightScales + (Four + stage) * 4);
        return Wgmma.MultiplyScaledRows(
            acc, operandA + offset, operandB + offset, full + stage * 8 + PrefillRing.EmptyOffset, upper, lower, left, right, split, peer);
    }

    // Frees the stages that a tile has no block for.
    private static void PassOver(int full, int blocks, int turn, int peer)
    {
        for (int stage = blocks & Four - 1; stage < Four; stage++)
        {
            MBarrier.Wait(full + stage * 8, turn & 1);
            MBarrier.Arrive(full + stage * 8 + PrefillRing.EmptyOffset);
            if (peer != NoPeer)
                MBarrier.ArriveAt(full + stage * 8 + PrefillRing.EmptyOffset, peer);
        }
    }

    private static void Body<TAcc>(
        int tileN, long output, long outputPitch, int outputType, int store, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int groupM, bool pairs = false)
        where TAcc : unmanaged
    {
        // Where the copy engine brings the scales, there is no pitch for lanes to bring them by.
        bool fours = TakesFours(tileN), engine = blockPitch == 0;
        int shared = PrefillRing.Enter(tileN, fours, engine, rows, pairs);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                PrefillRing.LoadOperands(tileN, fours, engine, shared, weightScales, rows, columns, blocks, groupM, pairs);
            else if (loader == 1 && !engine)
                LoadScales(tileN, fours, shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            if (pairs)
                Cluster.Sync();
            return;
        }
        Warpgroup.TakeRegisters(240);
        int stages = PrefillRing.Stages(tileN), stageBytes = PrefillRing.StageBytes(tileN);
        int full = shared + PrefillRing.BarrierOffset(tileN), empty = full + PrefillRing.EmptyOffset;
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int count = PrefillRing.Count(tilesM * tilesN);
        int lane = Warpgroup.Lane(), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16);
        int staging = Pin.Int32(shared + PrefillRing.StagingOffset(tileN) + warp * (PrefillRing.StagingBytes(tileN) / 8));
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + PrefillRing.TileM * 128));
        int scales = Pin.Int32(shared + PrefillRing.ScaleOffset(tileN)), laneRow = Pin.Int32((warpRow + (lane >> 2)) * ScaleSlots.RowBytes);
        int laneScales = Pin.Int32(scales + laneRow), blockScales = Pin.Int32(scales + ScaleSlots.WeightOffset), barriers = Pin.Int32(full);
        int stage = 0, phase = 0, turn = 0, place = scales, peer = pairs ? Pin.Int32(Cluster.Rank() ^ 1) : NoPeer;
        for (int number = 0; number < count; number++)
        {
            // Tiles of whole blocks, or of even parts of one, need not know where they lie to be multiplied.
            int split = 128;
            if (!IsWithinBlocks(tileN))
            {
                MBarrier.Wait(full + stage * 8, fours ? turn & 1 : phase);
                split = Pin.Int32(128 - ((PrefillRing.Place(full, number) >> 16) * tileN & 127));
            }
            var acc = default(TAcc);
            if (fours)
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
                    acc = Wgmma.MultiplyRows(
                        acc, operandA + stage * (stageBytes / 16), operandB + stage * (stageBytes / 16), empty + stage * 8, place + laneRow,
                        place + ScaleSlots.WeightOffset, ScaleSlots.RowBytes, split);
                    place = ScaleSlots.NextBlock(place, scales, stages);
                    stage++;
                    if (stage == stages)
                    {
                        stage = 0;
                        phase ^= 1;
                    }
                }
            }
            int mn = PrefillRing.Place(full, number);
            int m0 = Pin.Int32(PrefillRing.FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
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
