using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>The warpgroup's last lane to come multiplies for all.</content>
internal static partial class Wgmma
{
    // Fields of the first product of a pair.
    private const int FirstFields = 64;

    public static partial TAcc MultiplyRows<TAcc>(
        TAcc acc, int a, int b, int release, int rowScales, int weightScales, int scalePitch, int split)
        where TAcc : unmanaged
        => AddRows(acc, a, b, release, rowScales, weightScales, scalePitch, split, BlockProduct.Float8);

    public static partial TAcc MultiplyScaledRows<TAcc>(
        TAcc acc, int a, int b, int release, float upper, float lower, float left, float right, int split, int peer)
        where TAcc : unmanaged
    {
        TAcc sum = AddRows(acc, (a, b, release), (upper, lower), (left, right), split, BlockProduct.Float8, everyone: false);
        if (peer >= 0)
            MBarrier.ArriveAt(release, peer);
        return sum;
    }

    public static partial TAcc MultiplyColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => AddColumns(acc, a, b, release, tokenScales, weightScale, BlockProduct.Float8);

    public static partial TAcc MultiplyRowPairs<TAcc>(
        TAcc acc, int a, int b, int nextA, int nextB, int release, int rowScales, int nextRowScales, int weightScale, int scalePitch)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyRowPairs),
            new PairShare<TAcc>(acc, (a, b, nextA, nextB, release), rowScales, nextRowScales, weightScale),
            lanes => AddRowPairs(lanes, scalePitch)).Acc;

    /// <summary><see cref="MultiplyRows"/> of codes of any meaning.</summary>
    internal static TAcc AddRows<TAcc>(
        TAcc acc, int a, int b, int release, int rowScales, int weightScales, int scalePitch, int split, float[] values)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        (float, float) rows = (memory.Load<float>(rowScales), memory.Load<float>(rowScales + 8 * scalePitch));
        // A tile that lies in one weight block has only that one's scale in memory.
        float left = memory.Load<float>(weightScales);
        float right = split < 2 * Fragment.Length<TAcc>() ? memory.Load<float>(weightScales + scalePitch) : left;
        return AddRows(acc, (a, b, release), rows, (left, right), split, values, everyone: true);
    }

    /// <summary><see cref="MultiplyColumns"/> of codes of any meaning.</summary>
    internal static TAcc AddColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale, float[] values)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyColumns), new Share<TAcc>(acc, (a, b, release), tokenScales, weightScale), lanes => AddColumns(lanes, values)).Acc;

    private static void AddRowPairs<TAcc>(PairShare<TAcc>[] lanes, int scalePitch)
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
        Release(memory, release, everyone: true);

        void Promote(Span<float> fields, BlockProduct product, int lane, int rowScales, int weightScale)
        {
            float weight = memory.Load<float>(weightScale);
            float upper = memory.Load<float>(rowScales) * weight, lower = memory.Load<float>(rowScales + 8 * scalePitch) * weight;
            for (int i = 0; i < fields.Length; i++)
                fields[i] = MathF.FusedMultiplyAdd(product[lane, i], (i & 2) == 0 ? upper : lower, fields[i]);
        }
    }

    private static TAcc AddRows<TAcc>(
        TAcc acc, (int, int, int) operands, (float, float) rows, (float, float) weights, int split, float[] values, bool everyone)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyRows), new RowShare<TAcc>(acc, operands, rows, weights, split), lanes => AddRows(lanes, values, everyone)).Acc;

    private static void AddRows<TAcc>(RowShare<TAcc>[] lanes, float[] values, bool everyone)
        where TAcc : unmanaged
    {
        var (a, b, release) = EmulatedLane.Uniform("wgmma", lanes, lanes[0].Operands, static share => share.Operands);
        var product = new BlockProduct(a, b, 2 * Fragment.Length<TAcc>(), values);
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            ref RowShare<TAcc> share = ref lanes[lane];
            Span<float> fields = Fragment.Of(ref share.Acc);
            for (int i = 0; i < fields.Length; i++)
            {
                float row = (i & 2) == 0 ? share.Rows.Upper : share.Rows.Lower;
                float scale = row * (Fragment.Column(lane, i) < share.Split ? share.Weights.Left : share.Weights.Right);
                fields[i] = MathF.FusedMultiplyAdd(product[lane, i], scale, fields[i]);
            }
        }
        Release(BlockMemory.Own, release, everyone);
    }

    private static void AddColumns<TAcc>(Share<TAcc>[] lanes, float[] values)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        var (a, b, release) = EmulatedLane.Uniform("wgmma", lanes, lanes[0].Operands, static share => share.Operands);
        var product = new BlockProduct(a, b, 2 * Fragment.Length<TAcc>(), values);
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
        Release(memory, release, everyone: true);
    }

    // One arrival of each lane, or of each of the four warps.
    private static void Release(BlockMemory memory, int barrier, bool everyone)
    {
        int arrivals = everyone ? EmulatedLane.WarpgroupSize : EmulatedLane.WarpgroupSize / EmulatedLane.WarpSize;
        for (int i = 0; i < arrivals; i++)
            memory.Arrive(barrier);
    }

    // What a lane brings, and in Acc what it gets.
    private struct Share<TAcc>(TAcc acc, (int A, int B, int Release) operands, int laneScales, int weightScales)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int A, int B, int Release) Operands = operands;
        public readonly int LaneScales = laneScales, WeightScales = weightScales;
    }

    private struct RowShare<TAcc>(
        TAcc acc, (int A, int B, int Release) operands, (float Upper, float Lower) rows, (float Left, float Right) weights, int split)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int A, int B, int Release) Operands = operands;
        public readonly (float Upper, float Lower) Rows = rows;
        public readonly (float Left, float Right) Weights = weights;
        public readonly int Split = split;
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
