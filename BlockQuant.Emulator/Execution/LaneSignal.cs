using System.Runtime.InteropServices;

namespace BlockQuant.Emulator;

/// <summary>Wakes one thread; a wake that comes before the wait is kept.</summary>
internal abstract class LaneSignal
{
    /// <summary>The cheapest signal of this system.</summary>
    public static LaneSignal Create() => FutexSignal.IsSupported ? new FutexSignal() : new MonitorSignal();

    public abstract void Wake();

    public abstract void Await();
}

/// <summary>A signal on any system.</summary>
internal sealed class MonitorSignal : LaneSignal
{
    private readonly object gate = new();
    private bool isSet;

    public override void Wake()
    {
        lock (gate)
        {
            isSet = true;
            Monitor.Pulse(gate);
        }
    }

    public override void Await()
    {
        lock (gate)
        {
            while (!isSet)
                Monitor.Wait(gate);
            isSet = false;
        }
    }
}

/// <summary>A signal on a Linux futex: one system call to wake and one to wait, half the cost of a monitor.</summary>
internal sealed unsafe partial class FutexSignal : LaneSignal
{
    private const int WaitPrivate = 0 | 128;
    private const int WakePrivate = 1 | 128;

    private static readonly nint FutexCall = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 202 : 98;

    // On the pinned heap, so that the system may be given its address.
    private readonly int[] word = GC.AllocateArray<int>(1, pinned: true);

    public static bool IsSupported =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    private int* Word => (int*)Marshal.UnsafeAddrOfPinnedArrayElement(word, 0);

    public override void Wake()
    {
        Volatile.Write(ref word[0], 1);
        SystemCall(FutexCall, Word, WakePrivate, 1, null, null, 0);
    }

    public override void Await()
    {
        while (Interlocked.Exchange(ref word[0], 0) == 0)
            SystemCall(FutexCall, Word, WaitPrivate, 0, null, null, 0);
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, int* address, int operation, int value, void* timeout, int* other, int third);
}
