using ILGPU;

namespace BlockQuant.Emulator;

/// <summary>A group of lanes that share memory. One object serves one group after another.</summary>
internal sealed class EmulatedGroup
{
    private const int NamedBarriers = 16;

    private readonly Rendezvous?[] namedBarriers = new Rendezvous?[NamedBarriers];
    private readonly Dictionary<Type, object> states = [];

    /// <param name="scheduler">What runs the group.</param>
    /// <param name="launch">The launch that the group is of.</param>
    /// <param name="clusterRank">The group's number in its cluster.</param>
    /// <param name="shared">The memory for the group's shared memory.</param>
    public EmulatedGroup(LaneScheduler scheduler, KernelLaunch launch, int clusterRank, GroupSharedMemory shared)
    {
        Scheduler = scheduler;
        Launch = launch;
        ClusterRank = clusterRank;
        Shared = shared;
        Barrier = new Rendezvous("the group's barrier", scheduler, [this]);
        Lanes = new EmulatedLane[launch.GroupSize];
        for (int i = 0; i < Lanes.Length; i++)
            Lanes[i] = new EmulatedLane(this, i);
    }

    public LaneScheduler Scheduler { get; }

    public KernelLaunch Launch { get; }

    public int ClusterRank { get; }

    public GroupSharedMemory Shared { get; }

    /// <summary>The barrier of all lanes.</summary>
    public Rendezvous Barrier { get; }

    public EmulatedLane[] Lanes { get; }

    public int Size => Lanes.Length;

    public Index3D GridIndex { get; private set; }

    /// <summary>The dynamic shared memory of a group of this group's cluster.</summary>
    public SharedMemoryBuffer DynamicSharedOf(int clusterRank) => InCluster(clusterRank).Shared.Dynamic;

    /// <summary>A group of this group's cluster.</summary>
    public EmulatedGroup InCluster(int clusterRank) => Scheduler.Groups[clusterRank];

    /// <summary>Becomes the group at an index of the grid, none of whose lanes has started.</summary>
    public void Begin(Index3D gridIndex)
    {
        GridIndex = gridIndex;
        Shared.Begin(Launch.DynamicSharedBytes);
        Barrier.Reset();
        foreach (Rendezvous? barrier in namedBarriers)
            barrier?.Reset();
        states.Clear();
        foreach (EmulatedLane lane in Lanes)
            lane.Reset();
    }

    /// <summary>A numbered barrier, at which a part of the lanes may meet.</summary>
    public Rendezvous NamedBarrier(int id) => namedBarriers[id] ??= new Rendezvous($"barrier {id}", Scheduler, [this]);

    /// <summary>The group's object of a type, made on first use.</summary>
    public T State<T>(Func<T> create)
        where T : class
    {
        if (states.TryGetValue(typeof(T), out object? state))
            return (T)state;
        T made = create();
        states.Add(typeof(T), made);
        return made;
    }
}
