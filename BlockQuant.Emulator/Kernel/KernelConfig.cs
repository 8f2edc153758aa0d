namespace ILGPU;

/// <summary>How many groups of how many lanes a launch runs, and the dynamic shared memory of each group.</summary>
public readonly struct KernelConfig
{
    /// <summary>Makes a configuration without dynamic shared memory.</summary>
    /// <param name="gridDim">The number of groups.</param>
    /// <param name="groupDim">The lanes of a group.</param>
    public KernelConfig(Index1D gridDim, Index1D groupDim)
        : this(gridDim, groupDim, default)
    {
    }

    /// <summary>Makes a configuration with dynamic shared memory.</summary>
    /// <param name="gridDim">The number of groups.</param>
    /// <param name="groupDim">The lanes of a group.</param>
    /// <param name="sharedMemoryConfig">The dynamic shared memory of each group.</param>
    public KernelConfig(Index1D gridDim, Index1D groupDim, SharedMemoryConfig sharedMemoryConfig)
        : this(new Index3D(gridDim, 1, 1), new Index3D(groupDim, 1, 1), sharedMemoryConfig)
    {
    }

    /// <summary>Makes a configuration without dynamic shared memory.</summary>
    /// <param name="gridDim">The number of groups in each dimension.</param>
    /// <param name="groupDim">The lanes of a group; only X may pass 1.</param>
    public KernelConfig(Index3D gridDim, Index3D groupDim)
        : this(gridDim, groupDim, default)
    {
    }

    /// <summary>Makes a configuration with dynamic shared memory.</summary>
    /// <param name="gridDim">The number of groups in each dimension.</param>
    /// <param name="groupDim">The lanes of a group; only X may pass 1.</param>
    /// <param name="sharedMemoryConfig">The dynamic shared memory of each group.</param>
    public KernelConfig(Index3D gridDim, Index3D groupDim, SharedMemoryConfig sharedMemoryConfig)
    {
        GridDim = gridDim;
        GroupDim = groupDim;
        SharedMemoryConfig = sharedMemoryConfig;
    }

    /// <summary>The number of groups in each dimension.</summary>
    public Index3D GridDim { get; }

    /// <summary>The lanes of a group in each dimension.</summary>
    public Index3D GroupDim { get; }

    /// <summary>The dynamic shared memory of each group.</summary>
    public SharedMemoryConfig SharedMemoryConfig { get; }

    /// <summary>Makes a configuration of group count and group size.</summary>
    /// <param name="dimensions">The grid and group dimensions.</param>
    public static implicit operator KernelConfig((Index1D Grid, Index1D Group) dimensions) =>
        new(dimensions.Grid, dimensions.Group);

    /// <summary>Makes a configuration of a three-dimensional grid and a group size.</summary>
    /// <param name="dimensions">The grid and group dimensions.</param>
    public static implicit operator KernelConfig((Index3D Grid, Index1D Group) dimensions) =>
        new(dimensions.Grid, new Index3D(dimensions.Group, 1, 1));

    /// <summary>Makes a configuration of a three-dimensional grid and group.</summary>
    /// <param name="dimensions">The grid and group dimensions.</param>
    public static implicit operator KernelConfig((Index3D Grid, Index3D Group) dimensions) =>
        new(dimensions.Grid, dimensions.Group);

    /// <summary>Makes a configuration with dynamic shared memory.</summary>
    /// <param name="dimensions">The grid and group dimensions and the dynamic shared memory.</param>
    public static implicit operator KernelConfig((Index1D Grid, Index1D Group, SharedMemoryConfig Shared) dimensions) =>
        new(dimensions.Grid, dimensions.Group, dimensions.Shared);

    /// <summary>Makes a configuration with dynamic shared memory.</summary>
    /// <param name="dimensions">The grid and group dimensions and the dynamic shared memory.</param>
    public static implicit operator KernelConfig((Index3D Grid, Index3D Group, SharedMemoryConfig Shared) dimensions) =>
        new(dimensions.Grid, dimensions.Group, dimensions.Shared);
}

/// <summary>The dynamic shared memory of a group.</summary>
public readonly struct SharedMemoryConfig
{
    /// <summary>Asks for shared memory of a number of elements.</summary>
    /// <param name="numElements">The number of elements.</param>
    /// <param name="elementSize">The size of an element in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number or size.</exception>
    public SharedMemoryConfig(int numElements, int elementSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(numElements);
        ArgumentOutOfRangeException.ThrowIfNegative(elementSize);
        NumElements = numElements;
        ElementSize = elementSize;
    }

    /// <summary>The number of elements.</summary>
    public int NumElements { get; }

    /// <summary>The size of an element in bytes.</summary>
    public int ElementSize { get; }

    /// <summary>Asks for shared memory of <paramref name="numElements"/> elements of <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="numElements">The number of elements, at least one.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one element.</exception>
    public static unsafe SharedMemoryConfig RequestDynamic<T>(int numElements)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numElements, 1);
        return new SharedMemoryConfig(numElements, sizeof(T));
    }
}
