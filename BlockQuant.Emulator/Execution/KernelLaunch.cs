using System.Runtime.ExceptionServices;
using ILGPU;

namespace BlockQuant.Emulator;

/// <summary>One run of a kernel over its grid, shared by the workers that take clusters of groups from it.</summary>
internal abstract class KernelLaunch
{
    private long takenClusters;
    private ExceptionDispatchInfo? fault;
    private volatile bool isStopped;

    public required string KernelName { get; init; }

    public required Index3D GridDim { get; init; }

    public required int GroupSize { get; init; }

    public required int ClusterSize { get; init; }

    public required int DynamicSharedBytes { get; init; }

    public required int SharedMemoryPerGroup { get; init; }

    /// <summary>What the lanes may reach by raw address.</summary>
    public required AddressSpace Memory { get; init; }

    /// <summary>How many clusters at the end of the grid run; null for all.</summary>
    public required int? OnlyLastClusters { get; init; }

    /// <summary>Whether a fault has ended the launch: no lane is to go on.</summary>
    public bool IsStopped => isStopped;

    private long ClusterCount => GridDim.LongSize / ClusterSize;

    /// <summary>Runs the launch on up to <paramref name="maxThreads"/> workers and throws the first fault.</summary>
    public void Run(int maxThreads)
    {
        takenClusters = Math.Max(0, ClusterCount - (OnlyLastClusters ?? ClusterCount));
        int workers = (int)Math.Min(maxThreads, ClusterCount - takenClusters);
        using CountdownEvent running = new(workers);
        for (int i = 0; i < workers; i++)
            EmulatorCore.Next().Start(this, running);
        running.Wait();
        fault?.Throw();
    }

    /// <summary>Takes the next cluster that no worker has run; its first group's number in the grid, or -1.</summary>
    public long TakeCluster()
    {
        long cluster = Interlocked.Increment(ref takenClusters) - 1;
        return isStopped || cluster >= ClusterCount ? -1 : cluster * ClusterSize;
    }

    /// <summary>The index of a group, x running fastest.</summary>
    public Index3D GridIndex(long group) =>
        new((int)(group % GridDim.X), (int)(group / GridDim.X % GridDim.Y), (int)(group / GridDim.X / GridDim.Y));

    /// <summary>Stops the launch. The first fault is the one that is thrown.</summary>
    public void Stop(Exception reason)
    {
        Interlocked.CompareExchange(ref fault, ExceptionDispatchInfo.Capture(reason), null);
        isStopped = true;
    }

    /// <summary>Runs the kernel as the current lane.</summary>
    public abstract void RunLane();
}

/// <inheritdoc/>
/// <typeparam name="TArguments">The kernel's argument.</typeparam>
internal sealed class KernelLaunch<TArguments>(Action<TArguments> kernel, TArguments arguments) : KernelLaunch
    where TArguments : struct
{
    public override void RunLane() => kernel(arguments);
}
