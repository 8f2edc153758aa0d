namespace BlockQuant.Scheduling;

/// <summary>What kind of accelerator runs the kernels.</summary>
public enum DeviceKind
{
    /// <summary>An NVIDIA GPU, through the CUDA driver.</summary>
    Cuda,

    /// <summary>An OpenCL device with the generic address space.</summary>
    OpenCL,

    /// <summary>The processor.</summary>
    Cpu,
}

/// <summary>The facts about a device that a tile plan depends on.</summary>
public sealed record DeviceTraits
{
    /// <summary>The kind of accelerator.</summary>
    public required DeviceKind Kind { get; init; }

    /// <summary>The name the driver gives the device.</summary>
    public required string Name { get; init; }

    /// <summary>Multiprocessors (CUDA), compute units (OpenCL) or cores (CPU).</summary>
    public required int Multiprocessors { get; init; }

    /// <summary>The most lanes in one group.</summary>
    public required int MaxGroupSize { get; init; }

    /// <summary>Bytes of shared memory that one group can have.</summary>
    public required int SharedMemoryPerGroup { get; init; }

    /// <summary>Lanes that run in lockstep.</summary>
    public required int WarpSize { get; init; }

    /// <summary>Compute capability times ten (90 for Hopper), or 0 where there is none.</summary>
    public int ComputeCapability { get; init; }

    /// <summary>Device memory in bytes.</summary>
    public long MemoryBytes { get; init; }
}
