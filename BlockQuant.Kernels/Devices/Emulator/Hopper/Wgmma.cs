using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>The warpgroup's last lane to come multiplies for all.</content>
internal static partial class Wgmma
{
    // Fields of the first product of a pair.
    private const int FirstFields = 64;

    public static partial TAcc MultiplyRows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged
        => AddRows(acc, a, b, release, rowScales, weightScales, split, BlockProduct.Float8);

    public static partial TAcc MultiplyColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => AddColumns(acc, a, b, release, tokenScales, weightScale, BlockProduct.Float8);

    public static partial TAcc MultiplyRowPairs<TAcc>(
        TAcc acc, int a, int b, int nextA, int nextB, int release, int rowScales, int nextRowScales, int weightScale)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyRowPairs),
            new PairShare<TAcc>(acc, (a, b, nextA, nextB, release), rowScales, nextRowScales, weightScale),
            AddRowPairs).Acc;

    /// <summary><see cref="MultiplyRows"/> of codes of any meaning.</summary>
    internal static TAcc AddRows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split, float[] values)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyRows), new Share<TAcc>(acc, (a, b, release), rowScales, weightScales, split), lanes => AddRows(lanes, values)).Acc;

    /// <summary><see cref="MultiplyColumns"/> of codes of any meaning.</summary>
    internal static TAcc AddColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale, float[] values)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyColumns), new Share<TAcc>(acc, (a, b, release), tokenScales, weightScale, 0), lanes => AddColumns(lanes, values)).Acc;

    private static void AddRowPairs<TAcc>(PairShare<TAcc>[] lanes)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        var (a, b, nextA, nextB, release) = EmulatedLane.Uniform("wgmma", lanes, lanes[0].Operands, static share => share.Operands);
        int nextFields = Fragment.Length<TAcc>() - FirstFields;
        var first = new BlockProduct(a, b, 2 * FirstFields, BlockProduct.Float8);
        var next = new BlockProduct(nextA, nextB, 2 * nextFields, BlockProduct.Float8);
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            ref PairShare<TAcc> share = ref lanes[lane];
            Span<float> fields = Fragment.Of(ref share.Acc);
            Promote(fields[..FirstFields], first, lane, share.RowScales, share.WeightScale);
            Promote(fields[FirstFields..], next, lane, share.NextRowScales, share.WeightScale);
        }
        Release(memory, release);

        void Promote(Span<float> fields, BlockProduct product, int lane, int rowScales, int weightScale)
        {
            float weight = memory.Load<float>(weightScale);
            float upper = memory.Load<float>(rowScales) * weight, lower = memory.Load<float>(rowScales + 32) * weight;
            for (int i = 0; i < fields.Length; i++)
                fields[i] = MathF.FusedMultiplyAdd(product[lane, i], (i & 2) == 0 ? upper : lower, fields[i]);
        }
    }

    private static void AddRows<TAcc>(Share<TAcc>[] lanes, float[] values)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        int columns = 2 * Fragment.Length<TAcc>();
        var product = Multiply(lanes, columns, values);
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            ref Share<TAcc> share = ref lanes[lane];
            Span<float> fields = Fragment.Of(ref share.Acc);
            float upper = memory.Load<float>(share.LaneScales), lower = memory.Load<float>(share.LaneScales + 32);
            // A tile that lies in one weight block has only that one's scale in memory.
            float left = memory.Load<float>(share.WeightScales), right = share.Split < columns ? memory.Load<float>(share.WeightScales + 4) : left;
            for (int i = 0; i < fields.Length; i++)
            {
                float scale = ((i & 2) == 0 ? upper : lower) * (Fragment.Column(lane, i) < share.Split ? left : right);
                fields[i] = MathF.FusedMultiplyAdd(product[lane, i], scale, fields[i]);
            }
        }
        Release(memory, lanes[0].Operands.Release);
    }

    private static void AddColumns<TAcc>(Share<TAcc>[] lanes, float[] values)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        int columns = 2 * Fragment.Length<TAcc>();
        var product = Multiply(lanes, columns, values);
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            ref Share<TAcc> share = ref lanes[lane];
            Span<float> fields = Fragment.Of(ref share.Acc);
            float weight = memory.Load<float>(share.WeightScales);
            for (int i = 0; i < fields.Length; i++)
            {
                float token = memory.Load<float>(share.LaneScales + (i >> 2) * 32 + (i & 1) * 4);
                fields[i] = MathF.FusedMultiplyAdd(product[lane, i], token * weight, fields[i]);
            }
        }
        Release(memory, lanes[0].Operands.Release);
    }

    private static BlockProduct Multiply<TAcc>(Share<TAcc>[] lanes, int columns, float[] values)
        where TAcc : unmanaged
    {
        var (a, b, _) = EmulatedLane.Uniform("wgmma", lanes, lanes[0].Operands, static share => share.Operands);
        return new BlockProduct(a, b, columns, values);
    }

    // One arrival of each of the four warps.
    private static void Release(BlockMemory memory, int barrier)
    {
        for (int warp = 0; warp < EmulatedLane.WarpgroupSize / EmulatedLane.WarpSize; warp++)
            memory.Arrive(barrier);
    }

    // What a lane brings, and in Acc what it gets.
    private struct Share<TAcc>(TAcc acc, (int A, int B, int Release) operands, int laneScales, int weightScales, int split)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int A, int B, int Release) Operands = operands;
        public readonly int LaneScales = laneScales, WeightScales = weightScales, Split = split;
    }

    private struct PairShare<TAcc>(
        TAcc acc, (int A, int B, int NextA, int NextB, int Release) operands, int rowScales, int nextRowScales, int weightScale)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int A, int B, int NextA, int NextB, int Release) Operands = operands;
        public readonly int RowScales = rowScales, NextRowScales = nextRowScales, WeightScale = weightScale;
    }
}
