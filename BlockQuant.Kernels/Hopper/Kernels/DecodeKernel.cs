using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="PrefillKernel"/> for few tokens, at the speed that memory gives up the weights. The operands are
/// swapped: 128 weight rows are a tile's rows and up to 128 tokens its columns, so that little of the tensor core idles and none of
/// the weights is read twice. The blocks of a cluster split K and add their parts in rank order through shared memory, so results do
/// not depend on timing.
/// </summary>
internal static class DecodeKernel
{
    /// <summary>Threads of a block: two warpgroups that multiply, a warp that loads weights and one that loads tokens.</summary>
    public const int Threads = 320;

    /// <summary>Weight rows of a tile.</summary>
    public const int TileN = 128;

    /// <summary>Threads of the two warpgroups, which come first.</summary>
    internal const int MultiplyingThreads = 256;

    internal const int WeightBytes = TileN * 128;
    internal const int SumPitch = (TileN + 4) * 4;
    internal const int EmptyOffset = 128;
    private const int BarrierBytes = 256;
    private const int SharedLimit = 227 * 1024;

    public static void Tile8(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc4>(8, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile16(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc8>(16, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile32(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc16>(32, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile64(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc32>(64, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    public static void Tile128(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, int early) =>
        Body<Acc64>(128, output, outputPitch, outputType, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early);

    /// <summary>Dynamic shared memory of a launch, which the ring fills.</summary>
    /// <param name="tokens">Tokens of a tile.</param>
    /// <param name="alone">True for all of a multiprocessor, else what lets two blocks of up to 64 tokens share it.</param>
    public static int SharedBytes(int tokens, bool alone) => tokens <= 64 && !alone ? SharedLimit / 2 - 1024 : SharedLimit;

    // Stages of the ring: a quotient, exact below 2^18 bytes, without the division that every thread would wait for.
    internal static int Stages(int tokens) =>
        Pin.Int32((int)((Shared.Bytes() - BarrierBytes) * ((1L << 40) / (StageBytes(tokens) + ScaleBytes(tokens)) + 1) >> 40));

    internal static int StageBytes(int tokens) => WeightBytes + tokens * 128;

    // The scales of a stage: one for each token, then the weight block's.
    internal static int ScaleBytes(int tokens) => tokens * 4 + 16;

    internal static int ScaleOffset(int tokens, int stages) => stages * StageBytes(tokens);

    internal static int BarrierOffset(int tokens, int stages) => stages * (StageBytes(tokens) + ScaleBytes(tokens));

    // Barriers for a stage's arrivals: one announces the weights. Where tokens are copied one more announces these and each lane has
    // copied its scales; else each token's scale has been written, and behind it the token's codes.
    internal static void Enter(int tokens, bool copies, int group, int shared, int stages)
    {
        if (group == 2)
        {
            Tma.Prefetch(Tma.MapB());
            if (copies)
                Tma.Prefetch(Tma.MapA());
        }
        int full = shared + BarrierOffset(tokens, stages);
        if (Group.IdxX == MultiplyingThreads)
        {
            StageBarriers.Initialize(stages, full, copies ? 34 : 1 + tokens, full + EmptyOffset);
            MBarrier.PublishInitialization();
        }
    }

    // One warp: the weights of every stage. Those that no kernel ahead writes are on their way before such kernels have ended.
    internal static void LoadWeights(int tokens, int shared, int stages, int n0, int begin, int end, int early)
    {
        int stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens, stages), empty = full + EmptyOffset;
        long map = Tma.MapB();
        if (early == 0)
            DependentLaunch.Wait();
        int stage = 0, phase = 1;
        for (int block = begin; block < end; block++)
        {
            int barrier = full + stage * 8;
            MBarrier.Wait(empty + stage * 8, phase);
            MBarrier.ArriveExpect(barrier, WeightBytes);
            Tma.Load(shared + stage * stageBytes, map, block * 128, n0, barrier);
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
        int tokens, int shared, int stages, long rowScales, long rowPitch, long blockPitch, long weightScale, int m0, int rows, int begin,
        int end)
    {
        int stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens, stages), empty = full + EmptyOffset;
        long map = Tma.MapA();
        // Tokens past the end take the last one's scale: their products are 0 and never stored.
        int lane = Pin.Int32(Group.IdxX & 31), last = Pin.Int32(rows - 1 - m0);
        int scales = Pin.Int32(shared + ScaleOffset(tokens, stages)), own = Pin.Int32(lane < tokens ? 1 : 0), leader = Pin.Int32(lane == 0 ? 1 : 0);
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
            Tma.Load(shared + stage * stageBytes + WeightBytes, map, block * 128, m0, barrier);
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

    // A warpgroup's 64 rows of the tile times the tokens, of FP8 or INT8 codes.
    internal static TAcc Multiply<TAcc>(TAcc acc, int tokens, bool integers, int group, int shared, int stages, int begin, int end)
        where TAcc : unmanaged
    {
        int stageBytes = StageBytes(tokens);
        int full = Pin.Int32(shared + BarrierOffset(tokens, stages)), empty = full + EmptyOffset;
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + group * 8192)), operandB = Pin.Int32(Wgmma.Descriptor(shared + WeightBytes));
        int scales = Pin.Int32(shared + ScaleOffset(tokens, stages)), laneScale = Pin.Int32((Group.IdxX & 3) * 8);
        int stage = 0, phase = 0;
        for (int block = begin; block < end; block++)
        {
            int slot = scales + stage * ScaleBytes(tokens), offset = stage * (stageBytes / 16), release = empty + stage * 8;
            MBarrier.Wait(full + stage * 8, phase);
            acc = integers
                ? Int8Wgmma.MultiplyInt8Columns(acc, operandA + offset, operandB + offset, release, slot + laneScale, slot + tokens * 4)
                : Wgmma.MultiplyColumns(acc, operandA + offset, operandB + offset, release, slot + laneScale, slot + tokens * 4);
            stage++;
            if (stage == stages)
            {
                stage = 0;
                phase ^= 1;
            }
        }
        return acc;
    }

    // Where a lane's first field of the sums goes.
    internal static int SumAddress(int shared) =>
        Pin.Int32(shared + (Group.IdxX & 3) * 2 * SumPitch + ((Group.IdxX >> 5) * 16 + (Group.IdxX >> 2 & 7)) * 4);

    // What follows the loads: two warpgroups multiply, the cluster adds their sums, and all of the block's threads write them.
    internal static void MultiplyAndStore<TAcc>(
        int tokens, int threads, int group, int shared, int stages, DecodePart part, long output, long outputPitch, int outputType, int vector,
        int rows, int columns)
        where TAcc : unmanaged
    {
        int m0 = part.M0, n0 = part.N0;
        var acc = default(TAcc);
        if (group < 2)
            acc = Multiply(acc, tokens, false, group, shared, stages, part.Begin, part.End);
        // The sums take the place of the stages, which both warpgroups have left by now. Every thread passes the same barriers.
        Warpgroup.Sync(0, threads);
        if (group < 2)
            Epilogue.StageColumns(acc, SumAddress(shared), SumPitch);
        Sync(part.Split, threads);
        // A warp takes a token at a time, four columns a lane; four of its tokens' sums are on their way at once.
        int step = Pin.Int32(part.Split * threads), valid = Pin.Int32(Math.Min(rows - m0, tokens) * (TileN / 4));
        int column = Pin.Int32(n0 + (Group.IdxX & 31) * 4);
        int sumStep = Pin.Int32(part.Split * (threads / 32) * SumPitch);
        long outputStep = Pin.Int64(part.Split * (threads / 32) * outputPitch);
        // The usual case without its many questions, which would take longer than the sums.
        if (vector != 0 && n0 + TileN <= columns && outputType == (int)OutputType.BFloat16)
        {
            for (int i = part.Rank * threads + Group.IdxX; i < valid; i += 4 * step)
            {
                var sums = Cluster.SumOfFour(shared + (i >> 5) * SumPitch + (i & 31) * 16, sumStep, CountOf(valid - i, step));
                Epilogue.StoreFourBFloat16(sums, output + (m0 + (i >> 5)) * outputPitch + (long)column * 2, outputStep, CountOf(valid - i, step));
            }
        }
        else
        {
            int count = Pin.Int32(columns - column), whole = Pin.Int32(count > 3 ? vector : 0);
            for (int i = part.Rank * threads + Group.IdxX; i < valid; i += step)
            {
                var sum = Cluster.Sum(shared + (i >> 5) * SumPitch + (i & 31) * 16);
                long target = output + (m0 + (i >> 5)) * outputPitch;
                OutputNeighbours.Store(sum, target, outputType, column, count, whole);
            }
        }
        // No block leaves while another still reads its sums.
        if (part.Split > 1)
            Cluster.Leave();
    }

    private static void Body<TAcc>(
        int tokens, long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int early)
        where TAcc : unmanaged
    {
        int blocks = Pin.Int32((depth + 127) >> 7);
        var part = DecodePart.Of(tokens, rows, blocks);
        int m0 = part.M0, n0 = part.N0, begin = part.Begin, end = part.End;
        int shared = Shared.Base(), stages = Stages(tokens);
        int group = Warpgroup.Index();
        Enter(tokens, copies: true, group, shared, stages);
        Warpgroup.Sync(0, Threads);
        // Of the ten warps eight multiply; then comes the one that loads weights, and the one that loads tokens.
        int loader = Pin.Int32(Warpgroup.Warp() - 8);
        if (loader == 0)
            LoadWeights(tokens, shared, stages, n0, begin, end, early);
        DependentLaunch.Wait();
        if (loader == 1)
        {
            long weightScale = weightScales + ((long)(n0 >> 7) * blocks + begin) * 4;
            LoadTokens(tokens, shared, stages, rowScales, rowPitch, blockPitch, weightScale, m0, rows, begin, end);
        }
        MultiplyAndStore<TAcc>(tokens, Threads, group, shared, stages, part, output, outputPitch, outputType, vector, rows, columns);
    }

    // Every sum of the cluster is in shared memory after it. A block alone is launched without a cluster.
    internal static void Sync(int split, int threads)
    {
        if (split > 1)
            Cluster.Sync();
        else
            Warpgroup.Sync(0, threads);
    }

    // How many of four threads' turns lie within the extent; a comparison each, and no division.
    private static int CountOf(int extent, int step) =>
        1 + (extent > step ? 1 : 0) + (extent > 2 * step ? 1 : 0) + (extent > 3 * step ? 1 : 0);
}
