using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>The warpgroup's last lane to come multiplies for all.</content>
internal static partial class Wgmma
{
    public static partial TAcc MultiplyRows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyRows), new Share<TAcc>(acc, (a, b, release), rowScales, weightScales, split), AddRows).Acc;

    public static partial TAcc MultiplyColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => EmulatedLane.AsWarpgroup(
            nameof(MultiplyColumns), new Share<TAcc>(acc, (a, b, release), tokenScales, weightScale, 0), AddColumns).Acc;

    private static void AddRows<TAcc>(Share<TAcc>[] lanes)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        int columns = 2 * Fragment.Length<TAcc>();
        var product = Multiply(lanes, columns);
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
        Release(memory, lanes);
    }

    private static void AddColumns<TAcc>(Share<TAcc>[] lanes)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        int columns = 2 * Fragment.Length<TAcc>();
        var product = Multiply(lanes, columns);
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
        Release(memory, lanes);
    }

    private static BlockProduct Multiply<TAcc>(Share<TAcc>[] lanes, int columns)
        where TAcc : unmanaged
    {
        var (a, b, _) = EmulatedLane.Uniform("wgmma", lanes, lanes[0].Operands, static share => share.Operands);
        return new BlockProduct(a, b, columns, BlockProduct.Float8);
    }

    // One arrival of each of the four warps.
    private static void Release<TAcc>(BlockMemory memory, Share<TAcc>[] lanes)
        where TAcc : unmanaged
    {
        for (int lane = 0; lane < lanes.Length; lane += EmulatedLane.WarpSize)
            memory.Arrive(lanes[lane].Operands.Release);
    }

    // What a lane brings, and in Acc what it gets.
    private struct Share<TAcc>(TAcc acc, (int A, int B, int Release) operands, int laneScales, int weightScales, int split)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int A, int B, int Release) Operands = operands;
        public readonly int LaneScales = laneScales, WeightScales = weightScales, Split = split;
    }
}
