namespace BlockQuant.Emulator;

/// <summary>A processor that runs groups, with the threads and the shared memory it has used before.</summary>
/// <remarks>
/// All threads of a core stay on one processor. Handing the turn from one lane's thread to another's then wakes no other
/// processor, which costs more than the hand-over itself.
/// </remarks>
internal sealed class EmulatorCore
{
    private static readonly EmulatorCore[] Cores =
        Enumerable.Range(0, Environment.ProcessorCount).Select(index => new EmulatorCore(index)).ToArray();

    private static int nextCore;

    private readonly int index;
    private readonly Stack<LaneThread> idleThreads = [];
    private readonly Stack<GroupSharedMemory> idleMemory = [];

    private EmulatorCore(int index) => this.index = index;

    /// <summary>The core whose turn it is.</summary>
    public static EmulatorCore Next() => Cores[(uint)Interlocked.Increment(ref nextCore) % (uint)Cores.Length];

    /// <summary>Runs clusters of a launch until none are left, then signals.</summary>
    public void Start(KernelLaunch launch, CountdownEvent running) => RentThread().Start(thread =>
    {
        try
        {
            RunClusters(thread, launch);
        }
        catch (Exception exception)
        {
            launch.Stop(exception);
        }
        ReturnThread(thread);
        running.Signal();
    });

    /// <summary>A thread of this core that has nothing to do.</summary>
    public LaneThread RentThread()
    {
        lock (idleThreads)
        {
            if (idleThreads.TryPop(out LaneThread? thread))
                return thread;
        }
        return new LaneThread(index);
    }

    /// <summary>Takes back a thread, which may have a last hand-over to do before it looks for new work.</summary>
    public void ReturnThread(LaneThread thread)
    {
        lock (idleThreads)
        {
            // Threads cost each garbage collection time, so no more are kept than one group can use.
            if (idleThreads.Count < EmulatorAccelerator.MaxGroupSize)
                idleThreads.Push(thread);
            else
                thread.Retire();
        }
    }

    private void RunClusters(LaneThread thread, KernelLaunch launch)
    {
        long group = launch.TakeCluster();
        if (group < 0)
            return;
        GroupSharedMemory[] shared = RentMemory(launch);
        LaneScheduler scheduler = new(launch, this, shared);
        for (; group >= 0; group = launch.TakeCluster())
            scheduler.RunCluster(thread, group);
        lock (idleMemory)
        {
            foreach (GroupSharedMemory memory in shared)
                idleMemory.Push(memory);
        }
    }

    private GroupSharedMemory[] RentMemory(KernelLaunch launch)
    {
        GroupSharedMemory[] shared = new GroupSharedMemory[launch.ClusterSize];
        lock (idleMemory)
        {
            for (int i = 0; i < shared.Length; i++)
            {
                GroupSharedMemory? idle = idleMemory.TryPop(out idle) && idle.Capacity == launch.SharedMemoryPerGroup ? idle : null;
                shared[i] = idle ?? new GroupSharedMemory(launch.SharedMemoryPerGroup);
            }
        }
        return shared;
    }
}
