using System.Numerics;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Shared
{
    public static partial int Base() => BlockMemory.Base;

    public static partial int Bytes() => BlockMemory.Own.Length;

    public static partial float Single(int address) => BlockMemory.Own.Load<float>(address);

    public static partial Acc4 Four(int address) => BlockMemory.Own.Load<Acc4>(address);

    public static partial int Int32(int address) => BlockMemory.Own.Load<int>(address);

    public static partial void Clear(int address) => BlockMemory.Own.Store<Int128>(address, 0);

    public static partial void Store8(int address, int low, int high) => BlockMemory.Own.Store(address, (long)high << 32 | (uint)low);

    public static partial void Store4(int address, int value, int enabled)
    {
        if (enabled != 0)
            BlockMemory.Own.Store(address, value);
    }

    public static partial void Publish()
    {
        // The emulator has one view of shared memory.
    }

    public static partial void CopyRows(int source, long target, long pitch, int rows) =>
        CopyFourRows<Int128>(source, target, pitch, rows, static row => row);

    public static partial void CopySwappedRows(int source, long target, long pitch, int rows) =>
        CopyFourRows<Vector4>(source, target, pitch, rows, static row => new Vector4(row.Y, row.X, row.W, row.Z));

    public static partial void CopyFour(int source, long target, int count, int whole)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        // All four are read whether or not they are written, as the instruction does.
        long four = BlockMemory.Own.Load<long>(source);
        if (whole != 0)
        {
            global.Store(target, four);
            return;
        }
        for (int i = 0; i < Math.Min(count, 4); i++)
            global.Store(target + i * 2, (short)(four >> 16 * i));
    }

    public static partial void Copy2(int source, long target, int enabled) => Copy<short>(source, target, enabled != 0);

    public static partial void Copy4(int source, long target, int enabled) => Copy<int>(source, target, enabled != 0);

    private static void CopyFourRows<T>(int source, long target, long pitch, int rows, Func<T, T> ordered)
        where T : unmanaged
    {
        // All four are read whether or not they are written, as the instructions do.
        for (int i = 0; i < 4; i++)
        {
            T row = ordered(BlockMemory.Own.Load<T>((i & 1) == 0 ? source + i * 512 : (source ^ 64) + i * 512));
            if (rows > 4 * i)
                EmulatedLane.Current.Group.Launch.Memory.Store(target + i * pitch, row);
        }
    }

    private static void Copy<T>(int source, long target, bool enabled)
        where T : unmanaged
    {
        T value = BlockMemory.Own.Load<T>(source);
        if (enabled)
            EmulatedLane.Current.Group.Launch.Memory.Store(target, value);
    }
}
