using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Shared
{
    public static partial int Base() => BlockMemory.Base;

    public static partial int Bytes() => BlockMemory.Own.Length;

    public static partial void Clear(int address) => BlockMemory.Own.Store<Int128>(address, 0);

    public static partial void Publish()
    {
        // The emulator has one view of shared memory.
    }

    public static partial void CopyRows(int source, long target, long pitch, int rows)
    {
        // All four are read whether or not they are written, as the instructions do.
        for (int i = 0; i < 4; i++)
            Copy<Int128>((i & 1) == 0 ? source + i * 512 : (source ^ 64) + i * 512, target + i * pitch, rows > 4 * i);
    }

    public static partial void Copy2(int source, long target, int enabled) => Copy<short>(source, target, enabled != 0);

    public static partial void Copy4(int source, long target, int enabled) => Copy<int>(source, target, enabled != 0);

    private static void Copy<T>(int source, long target, bool enabled)
        where T : unmanaged
    {
        T value = BlockMemory.Own.Load<T>(source);
        if (enabled)
            EmulatedLane.Current.Group.Launch.Memory.Store(target, value);
    }
}
