using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Emulator;

/// <summary>A GPU emulated on the CPU, which checks what kernels do. Any number of threads may use it.</summary>
public sealed class EmulatorAccelerator
{
    /// <summary>The most lanes that a group may have.</summary>
    public const int MaxGroupSize = 1024;

    /// <summary>The most groups that a cluster may have.</summary>
    public const int MaxClusterSize = 16;

    // CUDA's limit on the grid's second and third dimension.
    private const int MaxGridDimYZ = 65535;

    private readonly EmulatorOptions options;
    private long allocatedBytes;

    /// <summary>Makes a device with the default options.</summary>
    public EmulatorAccelerator()
        : this(new EmulatorOptions())
    {
    }

    /// <summary>Makes a device.</summary>
    /// <param name="options">What it has and checks.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is negative, or no thread is granted.</exception>
    public EmulatorAccelerator(EmulatorOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxThreads, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MemoryLimit);
        ArgumentOutOfRangeException.ThrowIfNegative(options.SharedMemoryPerGroup);
        this.options = options;
    }

    /// <summary>How many groups may run at the same time.</summary>
    public int MaxThreads => options.MaxThreads;

    /// <summary>The bytes of global memory.</summary>
    public long MemoryLimit => options.MemoryLimit;

    /// <summary>The bytes of global memory taken.</summary>
    public long AllocatedBytes => Interlocked.Read(ref allocatedBytes);

    /// <summary>The bytes of shared memory of a group.</summary>
    public int SharedMemoryPerGroup => options.SharedMemoryPerGroup;

    /// <summary>Allocates global memory, zeroed and aligned to 256 bytes; the system's pages are taken on first touch.</summary>
    /// <param name="bytes">The number of bytes.</param>
    /// <exception cref="EmulatorOutOfMemoryException">The limit would be passed, or the system has no more.</exception>
    public MemoryBuffer Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Reserve(bytes);
        try
        {
            MemoryBuffer buffer = HostMemoryBuffer.Allocate(bytes, options.CheckUninitialisedGlobalReads, Release);
            buffer.Owner = this;
            return buffer;
        }
        catch (OutOfMemoryException e)
        {
            Release(bytes);
            throw new EmulatorOutOfMemoryException(bytes, MemoryLimit - AllocatedBytes, e);
        }
    }

    /// <summary>Copies elements into global memory.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="source">The elements.</param>
    /// <param name="destination">Where they go; at least as long.</param>
    /// <exception cref="EmulatorFaultException">The destination is shorter, or its buffer was disposed of.</exception>
    public void CopyFromHost<T>(ReadOnlySpan<T> source, ArrayView<T> destination)
        where T : unmanaged
        => source.CopyTo(destination.WriteSpan(0, source.Length));

    /// <summary>Copies elements out of global memory.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="source">Where the elements are; at least as many as the destination takes.</param>
    /// <param name="destination">Where they go.</param>
    /// <exception cref="EmulatorFaultException">The source is shorter, or its buffer was disposed of.</exception>
    public void CopyToHost<T>(ArrayView<T> source, Span<T> destination)
        where T : unmanaged
        => source.ReadSpan(0, destination.Length).CopyTo(destination);

    /// <summary>Runs a kernel over a grid of groups and returns when it is done.</summary>
    /// <typeparam name="TArguments">The kernel's argument, a struct of views and scalars.</typeparam>
    /// <param name="kernelName">The name that a fault gives.</param>
    /// <param name="kernel">What each lane runs.</param>
    /// <param name="config">The groups, their lanes and their dynamic shared memory.</param>
    /// <param name="arguments">The argument; each lane gets a copy.</param>
    /// <param name="clusterSize">How many groups, consecutive in x, run together and see each other's shared memory.</param>
    /// <exception cref="ArgumentException">The configuration is one that no GPU accepts.</exception>
    /// <exception cref="EmulatorFaultException">The kernel did something wrong.</exception>
    public void Launch<TArguments>(
        string kernelName, Action<TArguments> kernel, KernelConfig config, TArguments arguments, int clusterSize = 1)
        where TArguments : struct
    {
        ArgumentNullException.ThrowIfNull(kernelName);
        ArgumentNullException.ThrowIfNull(kernel);
        Launch(kernelName, kernel, config, arguments, clusterSize, AddressSpace.None);
    }

    /// <summary>Runs a kernel that reaches global memory by raw address, <paramref name="memory"/> and no other.</summary>
    /// <inheritdoc cref="Launch{TArguments}(string, Action{TArguments}, KernelConfig, TArguments, int)"/>
    internal void Launch<TArguments>(
        string kernelName, Action<TArguments> kernel, KernelConfig config, TArguments arguments, int clusterSize, AddressSpace memory)
        where TArguments : struct
    {
        Index3D grid = config.GridDim;
        Index3D group = config.GroupDim;
        long sharedBytes = (long)config.SharedMemoryConfig.NumElements * config.SharedMemoryConfig.ElementSize;
        if (grid.X < 1 || grid.Y is < 1 or > MaxGridDimYZ || grid.Z is < 1 or > MaxGridDimYZ)
            throw new ArgumentException($"The grid of '{kernelName}' is {grid}; y and z go from 1 to {MaxGridDimYZ}.", nameof(config));
        if (group.X is < 1 or > MaxGroupSize || group.Y != 1 || group.Z != 1)
            throw new ArgumentException($"A group of '{kernelName}' is {group}; x goes from 1 to {MaxGroupSize}, y and z are 1.", nameof(config));
        if (sharedBytes > SharedMemoryPerGroup)
            throw new ArgumentException($"'{kernelName}' asks for {sharedBytes} bytes of shared memory; a group has {SharedMemoryPerGroup}.", nameof(config));
        if (clusterSize is < 1 or > MaxClusterSize || grid.X % clusterSize != 0)
            throw new ArgumentException($"A cluster of {clusterSize} groups does not divide the grid {grid} of '{kernelName}'; at most {MaxClusterSize} are possible.", nameof(clusterSize));
        new KernelLaunch<TArguments>(kernel, arguments)
        {
            KernelName = kernelName,
            GridDim = grid,
            GroupSize = group.X,
            ClusterSize = clusterSize,
            DynamicSharedBytes = (int)sharedBytes,
            SharedMemoryPerGroup = SharedMemoryPerGroup,
            Memory = memory,
            OnlyLastClusters = options.OnlyLastClusters,
        }.Run(MaxThreads);
    }

    private void Reserve(long bytes)
    {
        long taken = AllocatedBytes;
        while (true)
        {
            if (bytes > MemoryLimit - taken)
                throw new EmulatorOutOfMemoryException(bytes, MemoryLimit - taken);
            long found = Interlocked.CompareExchange(ref allocatedBytes, taken + bytes, taken);
            if (found == taken)
                return;
            taken = found;
        }
    }

    private void Release(long bytes) => Interlocked.Add(ref allocatedBytes, -bytes);
}
