using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class AsyncCopy
{
    public static partial void Copy4(int target, long source, int enabled)
    {
        if (enabled == 0)
            return;
        BlockMemory memory = BlockMemory.Own;
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        // Checked now, while it is known which lane asks.
        global.Load<int>(source);
        EmulatedLane.StartCopy(() => memory.Store(target, global.Load<int>(source)));
    }
}
