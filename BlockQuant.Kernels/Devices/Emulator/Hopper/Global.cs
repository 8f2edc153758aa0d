using BlockQuant.Emulator;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Global
{
    public static partial int Int32(long address) => EmulatedLane.Current.Group.Launch.Memory.Load<int>(address);

    public static partial Vec4 Eight(long address, int left) =>
        left > 0 ? EmulatedLane.Current.Group.Launch.Memory.Load<Vec4>(address) : default;

    public static partial void Prefetch(long address, int enabled)
    {
    }

    public static partial int CountAtMost(long address, int value) =>
        EmulatedLane.AsWarp(nameof(CountAtMost), Int32(address) <= value ? 1 : 0, static warp => Array.Fill(warp, warp.Sum()));
}
