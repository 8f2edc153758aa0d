using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="Int8PrefillKernel"/> for few tokens: the swapped operands, the ring and the split of K of
/// <see cref="DecodeKernel"/> around the INT8 tensor-core product. A tile's 128 weight rows are one output group, and a warp finishes a
/// token's at once, so that quantizing it needs no more than an exchange among lanes.
/// </summary>
internal static class Int8DecodeKernel
{
    private const int TileN = DecodeKernel.TileN;

    public static void Tile8(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int early, long bias, long outputScales) =>
        Body<Acc4>(
            8, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early, bias, outputScales);

    public static void Tile16(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int early, long bias, long outputScales) =>
        Body<Acc8>(
            16, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early, bias, outputScales);

    public static void Tile32(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int early, long bias, long outputScales) =>
        Body<Acc16>(
            32, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early, bias, outputScales);

    public static void Tile64(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int early, long bias, long outputScales) =>
        Body<Acc32>(
            64, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early, bias, outputScales);

    public static void Tile128(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int early, long bias, long outputScales) =>
        Body<Acc64>(
            128, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, early, bias, outputScales);

    private static void Body<TAcc>(
        int tokens, long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int early, long bias, long outputScales)
        where TAcc : unmanaged
    {
        int blocks = Pin.Int32((depth + 127) >> 7);
        var part = DecodePart.Of(tokens, TileN, rows, blocks);
        int m0 = part.M0, n0 = part.N0, begin = part.Begin, end = part.End;
        int shared = Shared.Base(), stages = DecodeKernel.Stages(tokens, TileN, 0), split = Pin.Int32(1 << part.Bits);
        int group = Warpgroup.Index();
        DecodeKernel.Enter(tokens, TileN, DecodeKernel.Threads, copies: true, group, shared, stages);
        Warpgroup.Sync(0, DecodeKernel.Threads);
        // Of the ten warps eight multiply; then comes the one that loads weights, and the one that loads tokens.
        int loader = Pin.Int32(Warpgroup.Warp() - 8);
        if (loader == 0)
            DecodeKernel.LoadWeights(tokens, TileN, shared, stages, n0, begin, end, early);
        DependentLaunch.Wait();
        if (loader == 1)
        {
            long weightScale = weightScales + ((long)(n0 >> 7) * blocks + begin) * 4;
            DecodeKernel.LoadTokens(tokens, TileN, shared, stages, rowScales, rowPitch, blockPitch, weightScale, m0, rows, begin, end);
        }
        var acc = default(TAcc);
        if (group < 2)
            acc = DecodeKernel.Multiply(acc, tokens, TileN, true, group, shared, stages, begin, end);
        // The sums take the place of the stages, which both warpgroups have left by now. Every thread passes the same barriers.
        Warpgroup.Sync(0, DecodeKernel.Threads);
        if (group < 2)
            Epilogue.StageColumns(acc, StagedSums.Address(shared), StagedSums.Pitch);
        // Every sum of the cluster is in shared memory after it. A block alone is launched without a cluster.
        if (split > 1)
            Cluster.Sync();
        else
            Warpgroup.Sync(0, DecodeKernel.Threads);
        // A warp takes a token at a time, four columns a lane.
        int valid = Math.Min(rows - m0, tokens) * 32;
        for (int i = part.Rank * DecodeKernel.Threads + Group.IdxX; i < valid; i += split * DecodeKernel.Threads)
        {
            int token = i >> 5, column = n0 + (i & 31) * 4;
            int count = columns - column, whole = count > 3 ? vector : 0;
            var sum = Cluster.Sum(shared + token * StagedSums.Pitch + (i & 31) * 16);
            if (bias != 0)
                sum = QuantizingEpilogue.AddNeighbours(sum, bias + (long)column * 4, count);
            long target = output + (m0 + token) * outputPitch;
            if (outputScales != 0)
                Quantize(sum, form, whole, target + column, outputScales + ((long)(m0 + token) * ((columns + 127) >> 7) + (n0 >> 7)) * 4, count);
            else
                OutputNeighbours.Store(sum, target, form, column, count, whole);
        }
        // No block leaves while another still reads its sums.
        if (split > 1)
            Cluster.Leave();
    }

    private static void Quantize(Acc4 values, int nearest, int whole, long codes, long scales, int count)
    {
        float scale = QuantizingEpilogue.OutputScale(QuantizingEpilogue.LargestOfWarp(values, count));
        if (nearest != 0)
            QuantizingEpilogue.StoreCodesNearest(values, scale, 1f / scale, codes, count, whole);
        else
            QuantizingEpilogue.StoreCodesTowardZero(values, scale, 1f / scale, codes, count, whole);
        QuantizingEpilogue.StoreScale(scale, scales, (Group.IdxX & 31) == 0 ? 1 : 0);
    }
}
