namespace BlockQuant.Emulator;

/// <summary>What an emulated device has, and what is checked beyond what always is.</summary>
public sealed record EmulatorOptions
{
    /// <summary>How many groups may run at the same time; the number of processors unless set.</summary>
    public int MaxThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>The bytes of global memory.</summary>
    public long MemoryLimit { get; init; } = long.MaxValue;

    /// <summary>The bytes of shared memory of a group; a Hopper GPU's 227 KiB unless set.</summary>
    public int SharedMemoryPerGroup { get; init; } = 227 * 1024;

    /// <summary>Whether a read of global memory that nothing has written is a fault; takes as much memory again and some nanoseconds an access.</summary>
    public bool CheckUninitialisedGlobalReads { get; init; }

    /// <summary>How many clusters of groups at the end of a grid run, null for all: a grid of billions is tested where its indices are largest.</summary>
    public int? OnlyLastClusters { get; init; }
}
