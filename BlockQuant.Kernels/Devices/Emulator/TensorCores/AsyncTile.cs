namespace BlockQuant.Kernels.TensorCores.Intrinsics;

internal static partial class AsyncTile
{
    public static partial void Copy16(int target, long source, int enabled) => PendingCopies.Own.Start<Int128>(target, source, enabled != 0);

    public static partial void Copy4(int target, long source, int enabled) => PendingCopies.Own.Start<int>(target, source, enabled != 0);

    public static partial void Commit() => PendingCopies.Own.Commit();

    public static partial void WaitForAllButOne() => PendingCopies.Own.LandAllBut(1);
}
