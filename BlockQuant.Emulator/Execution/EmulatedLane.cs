namespace BlockQuant.Emulator;

/// <summary>One simulated thread of a group.</summary>
/// <remarks>The static members are for the CPU bodies of intrinsics, which run as some lane.</remarks>
internal sealed class EmulatedLane(EmulatedGroup group, int index)
{
    /// <summary>Lanes of a warp.</summary>
    public const int WarpSize = 32;

    /// <summary>Lanes of a warpgroup.</summary>
    public const int WarpgroupSize = 128;

    [ThreadStatic]
    private static EmulatedLane? current;

    /// <summary>The lane that the calling thread runs.</summary>
    public static EmulatedLane Current => current ?? throw new InvalidOperationException("Only a running kernel may ask for this.");

    /// <summary>The lane that the calling thread runs, or null outside a kernel.</summary>
    public static EmulatedLane? CurrentOrNone
    {
        get => current;
        set => current = value;
    }

    public EmulatedGroup Group { get; } = group;

    /// <summary>The lane's index in its group.</summary>
    public int Index { get; } = index;

    public EmulatedThread Thread => new(Group.GridIndex, Index);

    /// <summary>How many shared allocations the lane has asked for.</summary>
    public int AllocationCount { get; set; }

    public LaneState State { get; set; }

    /// <summary>Whether kernels ahead of the launch may still run, as far as the lane knows.</summary>
    public bool IsEarly { get; set; }

    /// <summary>The thread that the lane's stack lies on.</summary>
    public LaneThread? Host { get; set; }

    /// <summary>The barrier that the lane waits at.</summary>
    public Rendezvous? WaitsAt { get; set; }

    /// <summary>The condition that the lane waits for.</summary>
    public Func<bool>? WaitsFor { get; set; }

    /// <summary>What the condition is, in words.</summary>
    public string WaitsForWhat { get; set; } = "";

    /// <summary>Lets other lanes run until a condition holds.</summary>
    /// <param name="condition">The condition; any lane's thread may evaluate it, so it must not ask for the current lane.</param>
    /// <param name="what">The condition in words, for a deadlock to name.</param>
    public static void WaitUntil(Func<bool> condition, string what)
    {
        EmulatedLane lane = Current;
        lane.Group.Scheduler.WaitUntil(lane, condition, what);
        lane.Group.Shared.Advance();
    }

    /// <summary>The running group's object of a type, made by the first lane that asks for it.</summary>
    public static T GroupState<T>(Func<T> create)
        where T : class
        => Current.Group.State(create);

    /// <summary>Waits at one of the group's numbered barriers until <paramref name="count"/> lanes have arrived.</summary>
    public static void BarrierSync(int id, int count)
    {
        EmulatedLane lane = Current;
        lane.Group.NamedBarrier(id).Arrive(lane, count, default);
    }

    /// <summary>Waits until every lane of the cluster has arrived.</summary>
    public static void ClusterBarrier()
    {
        EmulatedLane lane = Current;
        lane.Group.Scheduler.ClusterBarrier.Arrive(lane, lane.Group.Size * lane.Group.Launch.ClusterSize, default);
    }

    /// <summary>Tells the cluster that the lane has come so far; each lane does so once.</summary>
    public static void ArriveAtCluster()
    {
        LaneScheduler scheduler = Current.Group.Scheduler;
        if (++scheduler.ClusterArrivals > scheduler.LaneCount)
            throw EmulatorFaultException.Of(FaultKind.BarrierMisuse, "a lane arrives at the cluster twice");
    }

    /// <summary>Waits until every lane of the cluster has told so.</summary>
    public static void AwaitCluster()
    {
        LaneScheduler scheduler = Current.Group.Scheduler;
        WaitUntil(() => scheduler.ClusterArrivals == scheduler.LaneCount, "the cluster's arrivals");
    }

    /// <summary>Carries out an operation together with the other lanes of the warp.</summary>
    /// <inheritdoc cref="LaneTeam.Perform{T}"/>
    public static T AsWarp<T>(string operation, T operand, Action<T[]> perform)
    {
        EmulatedLane lane = Current;
        return lane.Group.WarpOf(lane).Perform(lane, operation, operand, perform);
    }

    /// <summary>Carries out an operation together with the other lanes of the warpgroup.</summary>
    /// <inheritdoc cref="LaneTeam.Perform{T}"/>
    public static T AsWarpgroup<T>(string operation, T operand, Action<T[]> perform)
    {
        EmulatedLane lane = Current;
        return lane.Group.WarpgroupOf(lane).Perform(lane, operation, operand, perform);
    }

    /// <summary>Lets one lane act for its warp, whose lanes must all bring the same.</summary>
    /// <param name="operation">The operation's name.</param>
    /// <param name="operand">What the lane brings.</param>
    /// <param name="perform">What is done, once.</param>
    public static void Elect<T>(string operation, T operand, Action<T> perform) => AsWarp(operation, operand, all =>
    {
        perform(Uniform(operation, all, all[0], brought => brought));
    });

    /// <summary>The value that all lanes brought.</summary>
    /// <exception cref="EmulatorFaultException">They differ.</exception>
    public static TValue Uniform<T, TValue>(string operation, T[] all, TValue expected, Func<T, TValue> value)
    {
        foreach (T brought in all)
        {
            if (!EqualityComparer<TValue>.Default.Equals(value(brought), expected))
                throw EmulatorFaultException.Of(FaultKind.CollectiveMismatch, $"lanes come to {operation} with {expected} and with {value(brought)}");
        }
        return expected;
    }

    /// <summary>Starts an asynchronous copy, which lands as late as can be: when no lane can go on without.</summary>
    /// <param name="land">Makes the copy; any lane's thread may do so, so it must not ask for the current lane.</param>
    public static void StartCopy(Action land)
    {
        EmulatedLane lane = Current;
        lane.Group.Scheduler.StartCopy(lane, land);
    }

    /// <summary>Makes the lane one that has not started.</summary>
    public void Reset()
    {
        State = LaneState.Unstarted;
        AllocationCount = 0;
        IsEarly = Group.Launch.Memory.IsDependent;
        WaitsAt = null;
        WaitsFor = null;
        Host = null;
    }
}

/// <summary>How far a lane has come.</summary>
internal enum LaneState
{
    Unstarted,
    Running,
    Ready,
    Waiting,
    Exited,
}
