namespace ILGPU;

/// <summary>Memory fences. Lanes of a group run one at a time, so only other groups need them.</summary>
public static class MemoryFence
{
    /// <summary>Orders the lane's accesses for its group.</summary>
    public static void GroupLevel() => Interlocked.MemoryBarrier();

    /// <summary>Orders the lane's accesses for the device.</summary>
    public static void DeviceLevel() => Interlocked.MemoryBarrier();

    /// <summary>Orders the lane's accesses for the device and the host.</summary>
    public static void SystemLevel() => Interlocked.MemoryBarrier();
}
