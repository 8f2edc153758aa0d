using ILGPU;

namespace BlockQuant.Emulator;

/// <summary>A group of lanes that share memory. One object serves one group after another.</summary>
internal sealed class EmulatedGroup
{
    private const int NamedBarriers = 16;

    private readonly Rendezvous?[] namedBarriers = new Rendezvous?[NamedBarriers];
    private readonly LaneTeam?[] warps;
    private readonly LaneTeam?[] warpgroups;
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
        warps = new LaneTeam?[launch.GroupSize / EmulatedLane.WarpSize];
        warpgroups = new LaneTeam?[launch.GroupSize / EmulatedLane.WarpgroupSize];
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

    /// <summary>A group of this group's cluster, of whose lanes some are left.</summary>
    public EmulatedGroup InCluster(int clusterRank)
    {
        EmulatedGroup group = Scheduler.Groups[clusterRank];
        return Array.Exists(group.Lanes, lane => lane.State != LaneState.Exited)
            ? group
            : throw EmulatorFaultException.Of(FaultKind.ExitedGroupAccess, $"the lanes of group {group.GridIndex} have all left");
    }

    /// <summary>Becomes the group at an index of the grid, none of whose lanes has started.</summary>
    public void Begin(Index3D gridIndex)
    {
        GridIndex = gridIndex;
        Shared.Begin(Launch.DynamicSharedBytes);
        Barrier.Reset();
        foreach (Rendezvous? barrier in namedBarriers)
            barrier?.Reset();
        foreach (LaneTeam? team in warps.Concat(warpgroups))
            team?.Reset();
        states.Clear();
        foreach (EmulatedLane lane in Lanes)
            lane.Reset();
    }

    /// <summary>A numbered barrier, at which a part of the lanes may meet.</summary>
    public Rendezvous NamedBarrier(int id) => namedBarriers[id] ??= new Rendezvous($"barrier {id}", Scheduler, [this]);

    /// <summary>The warp of a lane.</summary>
    public LaneTeam WarpOf(EmulatedLane lane) => Team(warps, "warp", lane, EmulatedLane.WarpSize);

    /// <summary>The warpgroup of a lane.</summary>
    public LaneTeam WarpgroupOf(EmulatedLane lane) => Team(warpgroups, "warpgroup", lane, EmulatedLane.WarpgroupSize);

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

    private LaneTeam Team(LaneTeam?[] teams, string kind, EmulatedLane lane, int size)
    {
        int number = lane.Index / size;
        return number < teams.Length
            ? teams[number] ??= new LaneTeam($"{kind} {number}", this, number * size, size)
            : throw EmulatorFaultException.Of(FaultKind.CollectiveMismatch, $"the lane's {kind} has fewer than {size} lanes");
    }
}
