using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// <see cref="DecodeKernel"/> from bfloat16 activations, which each block quantizes on its way to the tensor core: for the fewest tokens a
/// kernel ahead that quantizes takes longer than every block doing it again. The codes, the scales and so the sums are those of
/// <see cref="GroupQuantizeKernel"/> and <see cref="DecodeKernel"/>, bit for bit.
/// </summary>
internal static class FusedDecodeKernel
{
    /// <summary>Threads of a block: two warpgroups that multiply, a warp that loads weights, and those that quantize tokens.</summary>
    public const int Threads = DecodeKernel.MultiplyingThreads + 32 + QuantizingWarps * 32;

    // A multiple of what a block of K takes. Each waits for its elements most of the time, but with more of them registers would not do.
    private const int QuantizingWarps = 6;

    // Tokens that a warp quantizes of a block of K.
    private const int TokensOfWarp = 8;

    public static void Tile8(
        long output, long outputPitch, int outputType, int vector, long activations, long activationPitch, long weightScales, int rows,
        int columns, int depth, int early) =>
        Body<Acc4>(
            8, DecodeKernel.TileN, output, outputPitch, outputType, vector, activations, activationPitch, weightScales, rows, columns, depth, early);

    public static void Tile16(
        long output, long outputPitch, int outputType, int vector, long activations, long activationPitch, long weightScales, int rows,
        int columns, int depth, int early) =>
        Body<Acc8>(
            16, DecodeKernel.TileN, output, outputPitch, outputType, vector, activations, activationPitch, weightScales, rows, columns, depth, early);

    public static void Narrow8(
        long output, long outputPitch, int outputType, int vector, long activations, long activationPitch, long weightScales, int rows,
        int columns, int depth, int early) =>
        Body<Acc4>(
            8, DecodeKernel.NarrowTileN, output, outputPitch, outputType, vector, activations, activationPitch, weightScales, rows, columns, depth,
            early);

    public static void Narrow16(
        long output, long outputPitch, int outputType, int vector, long activations, long activationPitch, long weightScales, int rows,
        int columns, int depth, int early) =>
        Body<Acc8>(
            16, DecodeKernel.NarrowTileN, output, outputPitch, outputType, vector, activations, activationPitch, weightScales, rows, columns, depth,
            early);

    // Brings the part's activations to the L2 cache, a line a lane, shared out among the tiles: a warp that quantizes would wait for memory
    // with every block. Kernels ahead may yet write them, which changes the lines in that cache.
    private static void FetchTokens(int tokens, int tileN, long activations, long activationPitch, DecodePart part, int rows, int columns, int depth)
    {
        long line = part.N0 / tileN + (long)Group.IdxX * ((columns + tileN - 1) / tileN), element = part.Begin * 128L + line / tokens * 64;
        int token = part.M0 + (int)(line & (tokens - 1));
        int enabled = token < rows && element < Math.Min(part.End * 128L, depth) ? 1 : 0;
        Global.Prefetch(activations + token * activationPitch + element * 2, enabled);
    }

    // The warps that quantize: a warp eight tokens of a block of K, four lanes a token, and of a tile of sixteen two warps a block. While
    // one block is quantized the elements of the warp's next are on their way to registers.
    private static void LoadTokens(
        int tokens, int tileN, int warp, int shared, int stages, long activations, long activationPitch, long weightScales, int m0, int rows, int depth,
        int begin, int end)
    {
        int full = shared + DecodeKernel.FullOffset(tokens, tileN, stages), empty = shared + DecodeKernel.EmptyOffsetOf(tokens, tileN, stages);
        // At most the stages of a ring, of which there are at least six of eight tokens and five of sixteen.
        int stride = QuantizingWarps * TokensOfWarp / tokens, stage = Pin.Int32(tokens == 8 ? warp : warp >> 1), phase = 1;
        int first = Pin.Int32(begin + stage), last = Pin.Int32(end - 1);
        int lane = Pin.Int32(Group.IdxX & 31), token = (lane >> 2) + (tokens == 8 ? 0 : (warp & 1) * TokensOfWarp);
        int column = (lane & 3) * 8, scales = shared + DecodeKernel.ScaleOffset(tokens, tileN, stages) + token * 4;
        // The copy engine's swizzle of 128 bytes; before it a lane's later codes are 32 bytes apart.
        int target = shared + tileN * 128 + token * 128 + (column ^ (token & 7) * 16);
        // A lane of a token writes its scale, and that of the first token the weight block's.
        int leader = column > 0 ? 0 : token > 0 ? 1 : 3;
        long source = Pin.Int64(activations + (m0 + token) * activationPitch + (first * 128L + column) * 2);
        // Elements of the part from the lane's first on; none of tokens past the end, which become zeros.
        int length = Pin.Int32(Math.Min(end * 128, depth) - first * 128 - column), left = Pin.Int32(m0 + token < rows ? length : 0);
        var next = Read(source, left);
        int nextWeight = Global.Int32(weightScales + Math.Min(first, last) * 4);
        for (int block = first; block < end; block += stride)
        {
            var now = next;
            int weight = nextWeight;
            source += stride * 256;
            left -= stride * 128;
            next = Read(source, left);
            nextWeight = Global.Int32(weightScales + Math.Min(block + stride, last) * 4);
            int slot = scales + stage * DecodeKernel.ScaleBytes(tokens), codes = target + stage * DecodeKernel.StageBytes(tokens, tileN);
            int amax = LaneGroup.MaxOf4(Largest(now));
            float scale = Magnitude.Scale<Float8Format>(amax);
            float reciprocal = 1f / scale;
            MBarrier.Wait(empty + stage * 8, phase);
            Encode(now.First, scale, reciprocal, amax, codes);
            Encode(now.Second, scale, reciprocal, amax, codes ^ 32);
            Encode(now.Third, scale, reciprocal, amax, codes ^ 64);
            Encode(now.Fourth, scale, reciprocal, amax, codes ^ 96);
            Shared.Store4(slot, BitConverter.SingleToInt32Bits(scale), leader);
            Shared.Store4(slot + tokens * 4, weight, leader & 2);
            // Each lane announces the scale that it wrote, as race checkers want it.
            MBarrier.ArriveStagedWhere(full + stage * 8, leader);
            stage += stride;
            if (stage >= stages)
            {
                stage -= stages;
                phase ^= 1;
            }
        }
    }

    private static Quarter Read(long source, int left) => new()
    {
        First = Global.Eight(source, left),
        Second = Global.Eight(source + 64, left - 32),
        Third = Global.Eight(source + 128, left - 64),
        Fourth = Global.Eight(source + 192, left - 96),
    };

    private static int Largest(Quarter group) => Magnitude.Max(
        Magnitude.Max(BFloat16Vector.MaxMagnitude(group.First), BFloat16Vector.MaxMagnitude(group.Second)),
        Magnitude.Max(BFloat16Vector.MaxMagnitude(group.Third), BFloat16Vector.MaxMagnitude(group.Fourth)));

    private static void Encode(Vec4 bits, float scale, float reciprocal, int amax, int target) => Shared.Store8(
        target,
        VectorCode.Encode<Float8Vector, Float8Format>(BFloat16Vector.DecodeLow(bits), scale, reciprocal, amax),
        VectorCode.Encode<Float8Vector, Float8Format>(BFloat16Vector.DecodeHigh(bits), scale, reciprocal, amax));

    private static void Body<TAcc>(
        int tokens, int tileN, long output, long outputPitch, int outputType, int vector, long activations, long activationPitch, long weightScales,
        int rows, int columns, int depth, int early)
        where TAcc : unmanaged
    {
        int blocks = Pin.Int32((depth + 127) >> 7);
        var part = DecodePart.Of(tokens, tileN, rows, blocks);
        int shared = Shared.Base(), stages = DecodeKernel.Stages(tokens, tileN, DecodeSums.Bytes(tokens, tileN, part));
        int group = Warpgroup.Index(), sums = Pin.Int32(shared + DecodeKernel.SumOffset(tokens, tileN, stages));
        DecodeKernel.Enter(tokens, tileN, Threads, copies: false, group, shared, stages);
        DecodeSums.Enter(tileN, part, sums);
        Warpgroup.Sync(0, Threads);
        DecodeSums.Announce(part);
        // Eight warps multiply; then comes the one that loads weights, and those that quantize tokens.
        int loader = Pin.Int32(Warpgroup.Warp() - 8);
        if (loader == 0)
            DecodeKernel.LoadWeights(tokens, tileN, shared, stages, part.N0, part.Begin, part.End, early);
        else
            FetchTokens(tokens, tileN, activations, activationPitch, part, rows, columns, depth);
        DependentLaunch.Wait();
        if (loader >= 0)
        {
            if (loader > 0)
            {
                LoadTokens(
                    tokens, tileN, loader - 1, shared, stages, activations, activationPitch, weightScales + (long)(part.N0 >> 7) * blocks * 4,
                    part.M0, rows, depth, part.Begin, part.End);
            }
            DecodeSums.AwaitOthers();
            return;
        }
        var acc = default(TAcc);
        acc = DecodeKernel.Multiply(acc, tokens, tileN, false, group, shared, stages, part.Begin, part.End);
        DecodeSums.Finish(acc, tokens, tileN, part, shared, sums, output, outputPitch, outputType, vector, rows, columns);
    }

    // A lane's share of a token group: of every 32 elements eight.
    private struct Quarter
    {
        public Vec4 First, Second, Third, Fourth;
    }
}
