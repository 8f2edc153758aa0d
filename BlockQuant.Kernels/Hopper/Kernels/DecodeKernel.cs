using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="PrefillKernel"/> for few tokens, at the speed that memory gives up the weights. The operands are
/// swapped: 128 or 64 weight rows are a tile's rows and up to 128 tokens its columns, so that little of the tensor core idles and, where
/// one tile holds all tokens, none of the weights is read twice. The blocks of a cluster split K, and of 64 rows a block's two warpgroups do so again, block of K by block of K;
/// parts are added in their order, so results do not depend on timing: see <see cref="DecodeSums"/>.
/// </summary>
internal static class DecodeKernel
{
    /// <summary>Threads of a block: two warpgroups that multiply, a warp that loads weights and one that loads tokens.</summary>
    public const int Threads = 320;

    /// <summary>Weight rows of a tile, where its kernel does not have a choice.</summary>
    public const int TileN = 128;

    /// <summary>Weight rows of the tiles whose rows both warpgroups multiply.</summary>
    public const int NarrowTileN = 64;

    /// <summary>Threads of the two warpgroups, which come first.</summary>
    internal const int MultiplyingThreads = 256;

    // For as many stages as have room: those of 64 weight rows and 8 tokens.
    private const int EmptyOffset = 256;
    private const int BarrierBytes = 2 * EmptyOffset;

    // Shared memory of a multiprocessor, and what each block of it takes beside its own.
    private const int MultiprocessorBytes = 228 * 1024, BlockBytes = 1024;

    public static void Tile8(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc4>(
            8, TileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile16(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc8>(
            16, TileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile32(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc16>(
            32, TileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile64(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc32>(
            64, TileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile128(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc64>(
            128, TileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Narrow8(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc4>(
            8, NarrowTileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Narrow16(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc8>(
            16, NarrowTileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Narrow32(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc16>(
            32, NarrowTileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Narrow64(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc32>(
            64, NarrowTileN, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    /// <summary>Dynamic shared memory of a launch, which the ring fills.</summary>
    /// <param name="residents">Blocks that share a multiprocessor.</param>
    public static int SharedBytes(int residents) => MultiprocessorBytes / residents - BlockBytes;

    // Stages of the ring, beside so many bytes for sums: a quotient, exact below 2^18 bytes, without the division that every thread would wait for.
    // Where the warpgroups take turns it is even, so that a stage is always the same one's: to the other, which has not waited for a stage's last
    // turn, the turn before that looks like the next.
    internal static int Stages(int tokens, int tileN, int sumBytes)
    {
        long space = Shared.Bytes() - BarrierBytes - sumBytes;
        int stages = (int)(space * ((1L << 40) / (StageBytes(tokens, tileN) + ScaleBytes(tokens)) + 1) >> 40);
        return Pin.Int32(tileN == TileN ? stages : stages & ~1);
    }

    internal static int StageBytes(int tokens, int tileN) => tileN * 128 + tokens * 128;

    // The scales of a stage: one for each token, then the weight block's.
    internal static int ScaleBytes(int tokens) => tokens * 4 + 16;

    internal static int ScaleOffset(int tokens, int tileN, int stages) => stages * StageBytes(tokens, tileN);

    internal static int FullOffset(int tokens, int tileN, int stages) => stages * (StageBytes(tokens, tileN) + ScaleBytes(tokens));

    internal static int EmptyOffsetOf(int tokens, int tileN, int stages) => FullOffset(tokens, tileN, stages) + EmptyOffset;

    // What lies behind the ring.
    internal static int SumOffset(int tokens, int tileN, int stages) => FullOffset(tokens, tileN, stages) + BarrierBytes;

    // Barriers for a stage's arrivals: one announces the weights. Where tokens are copied one more announces these and each lane has
    // copied its scales; else each token's scale has been written, and behind it the token's codes.
    internal static void Enter(int tokens, int tileN, int threads, bool copies, int group, int shared, int stages)
    {
        if (group == 2)
        {
            Tma.Prefetch(Tma.MapB());
            if (copies)
                Tma.Prefetch(Tma.MapA());
        }
        StageBarriers.Initialize(
            threads / 32, stages, shared + FullOffset(tokens, tileN, stages), copies ? 34 : 1 + tokens,
            shared + EmptyOffsetOf(tokens, tileN, stages), tileN == TileN ? MultiplyingThreads : MultiplyingThreads / 2);
    }

    // One warp: the weights of every stage. Those that no kernel ahead writes are on their way before such kernels have ended.
    internal static void LoadWeights(int tokens, int tileN, int shared, int stages, int n0, int begin, int end, int early)
    {
        int stageBytes = StageBytes(tokens, tileN);
        int full = shared + FullOffset(tokens, tileN, stages), empty = shared + EmptyOffsetOf(tokens, tileN, stages);
        long map = Tma.MapB();
        if (early == 0)
            DependentLaunch.Wait();
        int stage = 0, phase = 1;
        for (int block = begin; block < end; block++)
        {
            int barrier = full + stage * 8;
            MBarrier.Wait(empty + stage * 8, phase);
            MBarrier.ArriveExpect(barrier, tileN * 128);
            // Row tiles that share weights are neighbours in the grid and read them at about the same time: these need not be kept either.
            Tma.Load(shared + stage * stageBytes, map, block * 128, n0, barrier, CachePolicy.ReadOnce);
            stage++;
            if (stage == stages)
            {
                stage = 0;
                phase ^= 1;
            }
        }
        DependentLaunch.Trigger();
    }

    // Another warp: the tokens and scales of every stage. A warp of its own, since tokens queued behind a ring full of weights would
    // hold up the first product.
    internal static void LoadTokens(
        int tokens, int tileN, int shared, int stages, long rowScales, long rowPitch, long blockPitch, long weightScale, int m0, int rows,
        int begin, int end)
    {
        int stageBytes = StageBytes(tokens, tileN);
        int full = shared + FullOffset(tokens, tileN, stages), empty = shared + EmptyOffsetOf(tokens, tileN, stages);
        long map = Tma.MapA();
        // Tokens past the end take the last one's scale: their products are 0 and never stored.
        int lane = Pin.Int32(Group.IdxX & 31), last = Pin.Int32(rows - 1 - m0);
        int scales = Pin.Int32(shared + ScaleOffset(tokens, tileN, stages)), own = Pin.Int32(lane < tokens ? 1 : 0), leader = Pin.Int32(lane == 0 ? 1 : 0);
        long first = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
        long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - first);
        long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - first);
        long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - first);
        first += begin * blockPitch;
        int stage = 0, phase = 1;
        for (int block = begin; block < end; block++)
        {
            int barrier = full + stage * 8, slot = scales + stage * ScaleBytes(tokens), target = slot + lane * 4;
            MBarrier.Wait(empty + stage * 8, phase);
            MBarrier.ArriveExpect(barrier, tokens * 128);
            Tma.Load(shared + stage * stageBytes + tileN * 128, map, block * 128, m0, barrier);
            AsyncCopy.Copy4(target, first, own);
            if (tokens >= 64)
                AsyncCopy.Copy4(target + 128, first + second, 1);
            if (tokens >= 128)
            {
                AsyncCopy.Copy4(target + 256, first + third, 1);
                AsyncCopy.Copy4(target + 384, first + fourth, 1);
            }
            AsyncCopy.Copy4(slot + tokens * 4, weightScale, leader);
            MBarrier.ArriveAfterCopies(barrier);
            first += blockPitch;
            weightScale += 4;
            stage++;
            if (stage == stages)
            {
                stage = 0;
                phase ^= 1;
            }
        }
    }

    // A warpgroup's 64 rows of the tile times the tokens, of FP8 or INT8 codes. Where a tile has no more rows, the warpgroups take turns.
    internal static TAcc Multiply<TAcc>(TAcc acc, int tokens, int tileN, bool integers, int group, int shared, int stages, int begin, int end)
        where TAcc : unmanaged
    {
        int stageBytes = StageBytes(tokens, tileN), turn = tileN == TileN ? 1 : 2;
        int full = Pin.Int32(shared + FullOffset(tokens, tileN, stages)), empty = full + EmptyOffset;
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (turn == 1 ? group * 8192 : 0)));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + tileN * 128));
        int scales = Pin.Int32(shared + ScaleOffset(tokens, tileN, stages)), laneScale = Pin.Int32((Group.IdxX & 3) * 8);
        int first = turn == 1 ? 0 : group, stage = first, phase = 0;
        for (int block = begin + first; block < end; block += turn)
        {
            int slot = scales + stage * ScaleBytes(tokens), offset = stage * (stageBytes / 16), release = empty + stage * 8;
            MBarrier.Wait(full + stage * 8, phase);
            acc = integers
                ? Int8Wgmma.MultiplyInt8Columns(acc, operandA + offset, operandB + offset, release, slot + laneScale, slot + tokens * 4)
                : Wgmma.MultiplyColumns(acc, operandA + offset, operandB + offset, release, slot + laneScale, slot + tokens * 4);
            stage += turn;
            if (stage >= stages)
            {
                stage -= stages;
                phase ^= 1;
            }
        }
        return acc;
    }

    private static void Body<TAcc>(
        int tokens, int tileN, long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int early)
        where TAcc : unmanaged
    {
        int blocks = Pin.Int32((depth + 127) >> 7);
        var part = DecodePart.Of(tokens, tileN, rows, blocks);
        int m0 = part.M0, n0 = part.N0, begin = part.Begin, end = part.End;
        int shared = Shared.Base(), stages = Stages(tokens, tileN, DecodeSums.Bytes(tokens, tileN, part));
        int group = Warpgroup.Index(), sums = Pin.Int32(shared + SumOffset(tokens, tileN, stages));
        Enter(tokens, tileN, Threads, copies: true, group, shared, stages);
        DecodeSums.Enter(tileN, part, sums);
        Warpgroup.Sync(0, Threads);
        DecodeSums.Announce(part);
        // Of the ten warps eight multiply; then comes the one that loads weights, and the one that loads tokens.
        int loader = Pin.Int32(Warpgroup.Warp() - 8);
        if (loader == 0)
            LoadWeights(tokens, tileN, shared, stages, n0, begin, end, early);
        DependentLaunch.Wait();
        if (loader >= 0)
        {
            if (loader == 1)
            {
                long weightScale = weightScales + ((long)(n0 >> 7) * blocks + begin) * 4;
                LoadTokens(tokens, tileN, shared, stages, rowScales, rowPitch, blockPitch, weightScale, m0, rows, begin, end);
            }
            DecodeSums.AwaitOthers();
            return;
        }
        var acc = default(TAcc);
        acc = Multiply(acc, tokens, tileN, false, group, shared, stages, begin, end);
        DecodeSums.Finish(acc, tokens, tileN, part, shared, sums, output, outputPitch, outputType, vector, rows, columns);
    }
}
