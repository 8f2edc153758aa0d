using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Warpgroup
{
    public static partial int Index() => EmulatedLane.Current.Index / EmulatedLane.WarpgroupSize;

    public static partial int Lane() => EmulatedLane.Current.Index % EmulatedLane.WarpSize;

    public static partial int Warp() => EmulatedLane.Current.Index / EmulatedLane.WarpSize;

    public static partial void ReleaseRegisters(int count)
    {
    }

    public static partial void TakeRegisters(int count)
    {
    }

    public static partial void SyncWarp() => EmulatedLane.AsWarp(nameof(SyncWarp), 0, static _ => { });

    public static partial void Sync(int barrier, int threads) => EmulatedLane.BarrierSync(barrier, threads);
}
