using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>The copies to shared memory that the lanes of a block have started and not waited for (cp.async).</summary>
/// <remarks>
/// A copy lands when its lane waits for it, which is as late as can be. Until then nothing else may touch its place: a second copy there, or a read,
/// is a race in whatever order the lanes happen to run. A block may end before its copies have landed.
/// </remarks>
internal sealed class PendingCopies
{
    private const int WordBytes = 4;

    private readonly BlockMemory memory = BlockMemory.Own;
    private readonly AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;

    // By word of shared memory: the lane whose copy is on its way there, plus one.
    private readonly int[] owners = new int[EmulatedLane.Current.Group.Shared.Dynamic.LengthInBytes / WordBytes];
    private readonly List<Copy>[] open;
    private readonly Queue<List<Copy>>[] groups;

    private PendingCopies()
    {
        int lanes = EmulatedLane.Current.Group.Size;
        open = Enumerable.Range(0, lanes).Select(_ => new List<Copy>()).ToArray();
        groups = Enumerable.Range(0, lanes).Select(_ => new Queue<List<Copy>>()).ToArray();
    }

    /// <summary>Those of the running lane's block.</summary>
    public static PendingCopies Own => EmulatedLane.GroupState(static () => new PendingCopies());

    /// <summary>Starts a copy of an element, or of zeros.</summary>
    public unsafe void Start<T>(int target, long source, bool isEnabled)
        where T : unmanaged
    {
        // Checked now, while it is known which lane asks.
        if (isEnabled)
            global.Load<T>(source);
        if (target < BlockMemory.Base || target % sizeof(T) != 0)
            throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"a copy of {sizeof(T)} bytes to shared address {target}");
        Check(target, sizeof(T), "copies to");
        int lane = EmulatedLane.Current.Index;
        Words(target, sizeof(T)).Fill(lane + 1);
        open[lane].Add(new Copy(target, sizeof(T), () => memory.Store(target, isEnabled ? global.Load<T>(source) : default)));
    }

    /// <summary>Ends a group of the running lane's copies.</summary>
    public void Commit()
    {
        int lane = EmulatedLane.Current.Index;
        groups[lane].Enqueue(open[lane]);
        open[lane] = [];
    }

    /// <summary>Lands all but the latest groups of the running lane.</summary>
    public void LandAllBut(int count)
    {
        Queue<List<Copy>> own = groups[EmulatedLane.Current.Index];
        while (own.Count > count)
        {
            foreach (Copy copy in own.Dequeue())
            {
                copy.Land();
                Words(copy.Target, copy.Bytes).Clear();
            }
        }
    }

    /// <summary>Reads an element that no copy may be on its way to.</summary>
    public unsafe T Load<T>(int address)
        where T : unmanaged
    {
        Check(address, sizeof(T), "reads");
        return memory.Load<T>(address);
    }

    private void Check(int address, int bytes, string does)
    {
        int at = Words(address, bytes).IndexOfAnyExcept(0);
        if (at >= 0)
        {
            throw EmulatorFaultException.Of(
                FaultKind.SharedMemoryRace,
                $"it {does} shared address {address}, where a copy that lane {Words(address, bytes)[at] - 1} started has not been waited for");
        }
    }

    private Span<int> Words(int address, int bytes)
    {
        int first = (address - BlockMemory.Base) / WordBytes, count = bytes / WordBytes;
        return first + count <= owners.Length
            ? owners.AsSpan(first, count)
            : throw EmulatorFaultException.Of(FaultKind.OutOfBoundsWrite, $"a copy of {bytes} bytes to shared address {address}");
    }

    private readonly record struct Copy(int Target, int Bytes, Action Land);
}
