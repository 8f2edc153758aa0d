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
    /// <summary>Threads of a block: two warpgroups that multiply and a warp that loads.</summary>
    public const int Threads = 288;

    /// <summary>Weight rows of a tile.</summary>
    public const int TileN = 128;

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

    // Stages of the ring.
    internal static int Stages(int tokens) =>
        Pin.Int32((Shared.Bytes() - BarrierBytes) / (StageBytes(tokens) + ScaleBytes(tokens)));

    internal static int StageBytes(int tokens) => WeightBytes + tokens * 128;

    // The scales of a stage: one for each token, then the weight block's.
    internal static int ScaleBytes(int tokens) => tokens * 4 + 16;

    internal static int ScaleOffset(int tokens, int stages) => stages * StageBytes(tokens);

    internal static int BarrierOffset(int tokens, int stages) => stages * (StageBytes(tokens) + ScaleBytes(tokens));

    // Tokens and scales of one stage; each lane has the addresses of its own scales.
    private static void LoadTokens(
        int tokens, int target, int scaleTarget, long map, int block, int m0, long first, long second, long third, long fourth,
        long weight, int barrier)
    {
        int lane = Pin.Int32(Group.IdxX & 31), own = scaleTarget + lane * 4;
        Tma.Load(target + WeightBytes, map, block * 128, m0, barrier);
        AsyncCopy.Copy4(own, first, lane < tokens ? 1 : 0);
        if (tokens >= 64)
            AsyncCopy.Copy4(own + 128, first + second, 1);
        if (tokens >= 128)
        {
            AsyncCopy.Copy4(own + 256, first + third, 1);
            AsyncCopy.Copy4(own + 384, first + fourth, 1);
        }
        AsyncCopy.Copy4(scaleTarget + tokens * 4, weight, lane == 0 ? 1 : 0);
        MBarrier.ArriveAfterCopies(barrier);
    }

    // The producer's barriers, and the weights of the first stages.
    internal static void Begin(int tokens, int shared, int stages, int n0, int begin, int first, int early)
    {
        int stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens, stages);
        long mapB = Tma.MapB();
        if (Group.IdxX == Threads - 32)
        {
            for (int i = 0; i < stages; i++)
            {
                MBarrier.Initialize(full + i * 8, 33);
                MBarrier.Initialize(full + EmptyOffset + i * 8, 8);
            }
            MBarrier.PublishInitialization();
        }
        Warpgroup.SyncWarp();
        // Weights that no kernel ahead writes are on their way before those kernels have ended.
        if (early == 0)
            DependentLaunch.Wait();
        for (int block = begin; block < first; block++)
        {
            int stage = block - begin;
            MBarrier.ArriveExpect(full + stage * 8, stageBytes);
            Tma.Load(shared + stage * stageBytes, mapB, block * 128, n0, full + stage * 8);
        }
    }

    internal static void Produce(
        int tokens, int shared, int stages, long rowScales, long rowPitch, long blockPitch, long weightScale, int m0, int n0, int rows,
        int begin, int first, int end)
    {
        int stageBytes = StageBytes(tokens);
        int full = shared + BarrierOffset(tokens, stages), empty = full + EmptyOffset, scales = shared + ScaleOffset(tokens, stages);
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        // Tokens past the end take the last one's scale: their products are 0 and never stored.
        int lane = Pin.Int32(Group.IdxX & 31), last = Pin.Int32(rows - 1 - m0);
        long scale = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
        long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - scale);
        long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - scale);
        long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - scale);
        scale += begin * blockPitch;
        for (int block = begin; block < first; block++)
        {
            int stage = block - begin;
            LoadTokens(
                tokens, shared + stage * stageBytes, scales + stage * ScaleBytes(tokens), mapA, block, m0, scale, second, third, fourth,
                weightScale, full + stage * 8);
            scale += blockPitch;
            weightScale += 4;
        }
        int next = 0, phase = 0;
        for (int block = first; block < end; block++)
        {
            int barrier = full + next * 8, target = shared + next * stageBytes;
            MBarrier.Wait(empty + next * 8, phase);
            MBarrier.ArriveExpect(barrier, stageBytes);
            Tma.Load(target, mapB, block * 128, n0, barrier);
            LoadTokens(
                tokens, target, scales + next * ScaleBytes(tokens), mapA, block, m0, scale, second, third, fourth, weightScale, barrier);
            scale += blockPitch;
            weightScale += 4;
            next++;
            if (next == stages)
            {
                next = 0;
                phase ^= 1;
            }
        }
        DependentLaunch.Trigger();
    }

    private static void Body<TAcc>(
        int tokens, long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int early)
        where TAcc : unmanaged
    {
        int blocks = (depth + 127) >> 7;
        int split = Cluster.Size(), rank = Cluster.Rank();
        int tilesM = (rows + tokens - 1) / tokens;
        int tile = Pin.Int32(Grid.IdxX / split);
        int tileN = Pin.Int32(tile / tilesM);
        int m0 = Pin.Int32((tile - tileN * tilesM) * tokens), n0 = Pin.Int32(tileN * TileN);
        int begin = Pin.Int32(blocks * rank / split), end = Pin.Int32(blocks * (rank + 1) / split);
        int shared = Shared.Base(), stages = Stages(tokens);
        int group = Warpgroup.Index();
        int first = Pin.Int32(Math.Min(begin + stages, end));
        if (group == 2)
            Begin(tokens, shared, stages, n0, begin, first, early);
        Warpgroup.Sync(0, Threads);
        DependentLaunch.Wait();
        if (group == 2)
        {
            long weightScale = weightScales + ((long)(n0 >> 7) * blocks + begin) * 4;
            Produce(tokens, shared, stages, rowScales, rowPitch, blockPitch, weightScale, m0, n0, rows, begin, first, end);
        }
        else
        {
            int stageBytes = StageBytes(tokens);
            int full = Pin.Int32(shared + BarrierOffset(tokens, stages)), empty = full + EmptyOffset;
            int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32(Group.IdxX >> 5);
            int operandA = Pin.Int32(Wgmma.Descriptor(shared + group * 8192)), operandB = Pin.Int32(Wgmma.Descriptor(shared + WeightBytes));
            int scales = Pin.Int32(shared + ScaleOffset(tokens, stages)), laneScale = Pin.Int32((lane & 3) * 8);
            int stage = 0, phase = 0;
            var acc = default(TAcc);
            for (int block = begin; block < end; block++)
            {
                int slot = scales + stage * ScaleBytes(tokens);
                MBarrier.Wait(full + stage * 8, phase);
                acc = Wgmma.MultiplyColumns(
                    acc, operandA + stage * (stageBytes / 16), operandB + stage * (stageBytes / 16), empty + stage * 8, slot + laneScale, slot + tokens * 4);
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
            // The sums take the place of the stages, which both warpgroups have left by now.
            Warpgroup.Sync(1, 256);
            Epilogue.StageColumns(acc, Pin.Int32(shared + (lane & 3) * 2 * SumPitch + (warp * 16 + (lane >> 2)) * 4), SumPitch);
        }
        Cluster.Sync();
        int valid = Math.Min(rows - m0, tokens) * (TileN / 4);
        for (int i = rank * Threads + Group.IdxX; i < valid; i += split * Threads)
        {
            int token = i >> 5, column = n0 + (i & 31) * 4;
            int count = columns - column;
            int whole = count > 3 ? vector : 0;
            var sum = Cluster.Sum(shared + token * SumPitch + (i & 31) * 16);
            long target = output + (m0 + token) * outputPitch;
            if (outputType == (int)OutputType.BFloat16)
                Epilogue.StoreBFloat16(sum, target + (long)column * 2, count, whole);
            else if (outputType == (int)OutputType.Half)
                Epilogue.StoreHalf(sum, target + (long)column * 2, count, whole);
            else
                Epilogue.StoreSingle(sum, target + (long)column * 4, count, whole);
        }
        // No block leaves while another still reads its sums.
        Cluster.Sync();
    }
}
