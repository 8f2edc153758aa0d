namespace BlockQuant.Emulator;

/// <summary>What a kernel did wrong.</summary>
public enum FaultKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A read outside its view.</summary>
    OutOfBoundsRead,

    /// <summary>A write or an atomic update outside its view.</summary>
    OutOfBoundsWrite,

    /// <summary>An access whose address is not a multiple of its element's size.</summary>
    MisalignedAccess,

    /// <summary>A sub-view that passes the bounds of its view.</summary>
    InvalidView,

    /// <summary>An access to a buffer that was disposed of.</summary>
    DisposedBuffer,

    /// <summary>An emulated access to the memory of another device.</summary>
    DeviceMemoryAccess,

    /// <summary>A read of shared memory that no lane of the group has written.</summary>
    UninitialisedSharedRead,

    /// <summary>A read of global memory that nothing has written.</summary>
    UninitialisedGlobalRead,

    /// <summary>Two lanes of a group accessed a byte of shared memory with no barrier between, and at least one wrote.</summary>
    SharedMemoryRace,

    /// <summary>Lanes of a group asked for different shared memory in what must be the same allocation.</summary>
    SharedAllocationMismatch,

    /// <summary>A group asked for more shared memory than there is.</summary>
    SharedMemoryExhausted,

    /// <summary>Lanes wait at a barrier that other lanes of the group never reach, or at different barriers.</summary>
    BarrierDivergence,

    /// <summary>Lanes of a warp or warpgroup are at different operations that all of them must carry out together, or differ where one acts for all.</summary>
    CollectiveMismatch,

    /// <summary>An mbarrier is arrived at more often than its phase counts, or counts more than it can.</summary>
    BarrierMisuse,

    /// <summary>An asynchronous copy was still under way when the last lane had left.</summary>
    UnfinishedCopy,

    /// <summary>An access to the shared memory of a group of the cluster whose lanes have all left.</summary>
    ExitedGroupAccess,

    /// <summary>A lane of a dependent launch, which has not waited for the kernels ahead, accessed global memory that they may write.</summary>
    EarlyAccess,

    /// <summary>All lanes that are left wait, and none can go on.</summary>
    Deadlock,

    /// <summary>The kernel threw an exception.</summary>
    KernelException,
}
