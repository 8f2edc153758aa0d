using ILGPU;

namespace BlockQuant.Emulator;

/// <summary>A lane of a launch.</summary>
/// <param name="Group">The index of its group in the grid.</param>
/// <param name="Lane">Its index in its group.</param>
public readonly record struct EmulatedThread(Index3D Group, int Lane)
{
    /// <inheritdoc/>
    public override string ToString() => $"group {Group}, lane {Lane}";
}

/// <summary>A kernel did what would be an error on a GPU. The launch was stopped; the accelerator can go on.</summary>
public sealed class EmulatorFaultException : Exception
{
    private EmulatorFaultException(
        FaultKind kind, EmulatedLane? lane, long? index, long? length, string what, Exception? cause = null)
        : base(Describe(kind, lane, what), cause)
    {
        FaultKind = kind;
        KernelName = lane?.Group.Launch.KernelName;
        Thread = lane?.Thread;
        Index = index;
        Length = length;
    }

    /// <summary>What the kernel did wrong.</summary>
    public FaultKind FaultKind { get; }

    /// <summary>The kernel's name; null outside a kernel.</summary>
    public string? KernelName { get; }

    /// <summary>The lane that did it or, where lanes wait, the first of them; null outside a kernel.</summary>
    public EmulatedThread? Thread { get; }

    /// <summary>The index of the faulty access in its view, where the fault is one.</summary>
    public long? Index { get; }

    /// <summary>The number of elements of the view, where the fault is a faulty access.</summary>
    public long? Length { get; }

    /// <summary>A fault of the running lane in an access.</summary>
    internal static EmulatorFaultException At(FaultKind kind, long index, long length, string what) =>
        new(kind, EmulatedLane.CurrentOrNone, index, length, what);

    /// <summary>A fault of the running lane.</summary>
    internal static EmulatorFaultException Of(FaultKind kind, string what) => Of(kind, EmulatedLane.CurrentOrNone, what);

    /// <summary>A fault of a given lane.</summary>
    internal static EmulatorFaultException Of(FaultKind kind, EmulatedLane? lane, string what, Exception? cause = null) =>
        new(kind, lane, null, null, what, cause);

    private static string Describe(FaultKind kind, EmulatedLane? lane, string what) =>
        lane is null
            ? $"{Name(kind)} outside a kernel: {what}"
            : $"{Name(kind)} in kernel '{lane.Group.Launch.KernelName}', {lane.Thread}: {what}";

    private static string Name(FaultKind kind) => kind switch
    {
        FaultKind.OutOfBoundsRead => "out-of-bounds read",
        FaultKind.OutOfBoundsWrite => "out-of-bounds write",
        FaultKind.MisalignedAccess => "misaligned access",
        FaultKind.InvalidView => "sub-view out of bounds",
        FaultKind.DisposedBuffer => "access to a disposed buffer",
        FaultKind.DeviceMemoryAccess => "access to a device's memory",
        FaultKind.UninitialisedSharedRead => "read of uninitialised shared memory",
        FaultKind.UninitialisedGlobalRead => "read of uninitialised global memory",
        FaultKind.SharedMemoryRace => "shared memory race",
        FaultKind.SharedAllocationMismatch => "shared allocation mismatch",
        FaultKind.SharedMemoryExhausted => "out of shared memory",
        FaultKind.BarrierDivergence => "barrier divergence",
        FaultKind.CollectiveMismatch => "collective mismatch",
        FaultKind.BarrierMisuse => "mbarrier misuse",
        FaultKind.UnfinishedCopy => "unfinished copy",
        FaultKind.ExitedGroupAccess => "access to an exited group's shared memory",
        FaultKind.EarlyAccess => "access ahead of the kernels before",
        FaultKind.Deadlock => "deadlock",
        _ => "exception",
    };
}
