using BlockQuant.Emulator;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

internal static partial class GlobalMemory
{
    public static partial int Load4(long address, int enabled) => Load(address, enabled, 0);

    public static partial int LoadCurrent4(long address, int enabled) => enabled != 0 ? Memory.LoadEarly<int>(address) : 0;

    public static partial Vec2 Load8(long address, int enabled) => Load(address, enabled, default(Vec2));

    public static partial Vec4 Load16(long address, int enabled) => Load(address, enabled, default(Vec4));

    // Nothing is brought, but memory that does not exist is no use to bring.
    public static partial void Prefetch(long address, int enabled)
    {
        if (enabled != 0)
            Memory.LoadEarly<byte>(address);
    }

    public static partial float LoadScale(long address, int enabled) => Load(address, enabled, 1f);

    private static AddressSpace Memory => EmulatedLane.Current.Group.Launch.Memory;

    private static T Load<T>(long address, int enabled, T otherwise)
        where T : unmanaged
        => enabled != 0 ? Memory.Load<T>(address) : otherwise;
}
