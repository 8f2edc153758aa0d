using System.Runtime.CompilerServices;
using BlockQuant.Emulator;

namespace ILGPU;

/// <summary>The group of lanes that the running lane belongs to.</summary>
public static class Group
{
    /// <summary>The lane's index in its group.</summary>
    public static int IdxX => EmulatedLane.Current.Index;

    /// <summary>The number of lanes of a group.</summary>
    public static int DimX => EmulatedLane.Current.Group.Size;

    /// <summary>Waits until every lane of the group has arrived; orders their shared memory accesses.</summary>
    /// <param name="file">The caller's file, which the compiler fills in: lanes must meet at the same barrier of the source.</param>
    /// <param name="line">The caller's line, which the compiler fills in.</param>
    public static void Barrier([CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        EmulatedLane lane = EmulatedLane.Current;
        lane.Group.Barrier.Arrive(lane, lane.Group.Size, new BarrierSite(file, line));
    }
}
