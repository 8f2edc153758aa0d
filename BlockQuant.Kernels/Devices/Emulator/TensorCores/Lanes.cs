using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <content>What a lane brings lies first in a pair, what it gets second.</content>
internal static partial class Lanes
{
    public static partial LaneSearch Find(int count, int target) =>
        EmulatedLane.AsWarp(nameof(Find), (Count: count, Target: target, Found: default(LaneSearch)), static warp =>
        {
            int target = EmulatedLane.Uniform(nameof(Find), warp, warp[0].Target, static brought => brought.Target);
            var found = new LaneSearch { Lane = EmulatedLane.WarpSize };
            for (int lane = 0; lane < warp.Length; lane++)
            {
                if (target >= found.Total && target < found.Total + warp[lane].Count)
                    (found.Lane, found.Before) = (lane, found.Total);
                found.Total += warp[lane].Count;
            }
            foreach (ref var brought in warp.AsSpan())
                brought.Found = found;
        }).Found;

    public static partial int Broadcast(int value, int lane) =>
        EmulatedLane.AsWarp(nameof(Broadcast), (Value: value, Lane: lane), static warp =>
        {
            int[] values = Array.ConvertAll(warp, brought => brought.Value);
            foreach (ref var brought in warp.AsSpan())
                brought.Value = values[brought.Lane % EmulatedLane.WarpSize];
        }).Value;

    public static partial Acc8 Neighbours(float value, int first) =>
        EmulatedLane.AsWarp(nameof(Neighbours), (Value: value, First: first, Found: default(Acc8)), static warp =>
        {
            foreach (ref var brought in warp.AsSpan())
            {
                Span<float> found = Fragment.Of(ref brought.Found);
                for (int i = 0; i < found.Length; i++)
                    found[i] = warp[(brought.First + i) % EmulatedLane.WarpSize].Value;
            }
        }).Found;
}
