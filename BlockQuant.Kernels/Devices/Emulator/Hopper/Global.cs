using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Global
{
    public static partial int Int32(long address) => EmulatedLane.Current.Group.Launch.Memory.Load<int>(address);

    public static partial int CountAtMost(long address, int value) =>
        EmulatedLane.AsWarp(nameof(CountAtMost), Int32(address) <= value ? 1 : 0, static warp => Array.Fill(warp, warp.Sum()));
}
