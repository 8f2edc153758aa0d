using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace BlockQuant.Emulator;

/// <summary>Runs the lanes of one cluster of groups after another, exactly one lane at a time.</summary>
/// <remarks>
/// <para>A thread runs lane after lane on its own stack, so a kernel without barriers never changes threads. When a
/// lane has to wait, its thread is taken, and the turn goes to another thread: to one from the pool that starts the
/// lanes that are left, or straight to the thread of the next lane that can go on. No thread stands between, so
/// a barrier of n lanes costs n hand-overs from thread to thread.</para>
/// <para>Whoever has the turn may touch all state here and in the groups; the hand-over orders memory.</para>
/// </remarks>
internal sealed class LaneScheduler
{
    private readonly KernelLaunch launch;
    private readonly EmulatorCore core;
    private readonly EmulatedLane[] lanes;
    private readonly Queue<EmulatedLane> ready = [];
    private readonly List<EmulatedLane> conditional = [];
    private readonly Queue<(EmulatedLane Lane, Action Land)> copies = [];
    private readonly Action<LaneThread> startLanes;
    private LaneThread root = null!;
    private int startedLanes;
    private int exitedLanes;

    public LaneScheduler(KernelLaunch launch, EmulatorCore core, GroupSharedMemory[] shared)
    {
        this.launch = launch;
        this.core = core;
        Groups = new EmulatedGroup[launch.ClusterSize];
        for (int i = 0; i < Groups.Length; i++)
            Groups[i] = new EmulatedGroup(this, launch, i, shared[i]);
        lanes = Groups.SelectMany(group => group.Lanes).ToArray();
        ClusterBarrier = new Rendezvous("the cluster's barrier", this, Groups);
        startLanes = thread => StartLanes(thread);
    }

    public EmulatedGroup[] Groups { get; }

    /// <summary>The barrier of all lanes of all groups.</summary>
    public Rendezvous ClusterBarrier { get; }

    /// <summary>Lanes of the cluster.</summary>
    public int LaneCount => lanes.Length;

    /// <summary>How many of them have told the others that they have come to a place, without waiting there.</summary>
    public int ClusterArrivals { get; set; }

    private bool HasUnstarted => startedLanes < lanes.Length && !launch.IsStopped;

    /// <summary>Runs the cluster that begins with a group, on this thread and such others as its barriers ask for.</summary>
    public void RunCluster(LaneThread thread, long firstGroup)
    {
        root = thread;
        startedLanes = 0;
        exitedLanes = 0;
        ready.Clear();
        conditional.Clear();
        copies.Clear();
        ClusterBarrier.Reset();
        ClusterArrivals = 0;
        foreach (EmulatedGroup group in Groups)
            group.Begin(launch.GridIndex(firstGroup + group.ClusterRank));
        if (!StartLanes(thread))
            thread.Await();
    }

    /// <summary>Gives the turn away until the lane is made ready.</summary>
    public void Wait(EmulatedLane lane)
    {
        lane.State = LaneState.Waiting;
        if (HasUnstarted)
        {
            core.RentThread().Start(startLanes);
            lane.Host!.Await();
        }
        else
        {
            EmulatedLane next = Next();
            if (next != lane)
            {
                next.Host!.Wake();
                lane.Host!.Await();
            }
        }
        if (launch.IsStopped)
            throw new LaneStoppedException();
        lane.State = LaneState.Running;
        lane.Group.Shared.Enter(lane.Index);
    }

    /// <summary>Gives the turn away until a condition holds.</summary>
    public void WaitUntil(EmulatedLane lane, Func<bool> condition, string what)
    {
        if (condition())
            return;
        lane.WaitsFor = condition;
        lane.WaitsForWhat = what;
        conditional.Add(lane);
        Wait(lane);
    }

    /// <summary>Lets a waiting lane go on when its turn comes.</summary>
    public void MakeReady(EmulatedLane lane)
    {
        lane.State = LaneState.Ready;
        ready.Enqueue(lane);
    }

    /// <summary>Takes note of an asynchronous copy. Copies land one by one, in order, when no lane can go on without.</summary>
    public void StartCopy(EmulatedLane lane, Action land) => copies.Enqueue((lane, land));

    // Runs the lanes that have not started, then gives the turn away for good. True if this was the last of the cluster.
    private bool StartLanes(LaneThread thread)
    {
        while (HasUnstarted)
        {
            EmulatedLane lane = lanes[startedLanes++];
            lane.Host = thread;
            RunLane(lane);
        }
        EmulatedLane.CurrentOrNone = null;
        if (thread != root)
            core.ReturnThread(thread);
        if (exitedLanes < startedLanes)
        {
            Next().Host!.Wake();
            return false;
        }
        if (copies.TryPeek(out (EmulatedLane Lane, Action Land) copy) && !launch.IsStopped)
            launch.Stop(EmulatorFaultException.Of(FaultKind.UnfinishedCopy, copy.Lane, "nothing has waited for a copy that it started"));
        if (thread != root)
            root.Wake();
        return true;
    }

    private void RunLane(EmulatedLane lane)
    {
        EmulatedLane.CurrentOrNone = lane;
        lane.State = LaneState.Running;
        lane.Group.Shared.Enter(lane.Index);
        try
        {
            launch.RunLane();
        }
        catch (LaneStoppedException)
        {
        }
        catch (Exception exception)
        {
            Stop(lane, exception);
        }
        lane.State = LaneState.Exited;
        exitedLanes++;
    }

    // The lane to get the turn. A launch that has stopped gives it to any lane that waits, to be unwound.
    private EmulatedLane Next()
    {
        if (!launch.IsStopped)
        {
            do
            {
                if (ready.TryDequeue(out EmulatedLane? lane) || TryTakeConditional(out lane))
                    return lane;
            }
            while (TryLandCopy());
            if (!launch.IsStopped)
                launch.Stop(Standstill());
        }
        return Array.Find(lanes, lane => lane.State is LaneState.Waiting or LaneState.Ready)!;
    }

    // The lane taken runs next, so that nothing can undo its condition before it goes on.
    private bool TryTakeConditional([NotNullWhen(true)] out EmulatedLane? lane)
    {
        for (int i = 0; i < conditional.Count; i++)
        {
            lane = conditional[i];
            if (!Holds(lane))
                continue;
            conditional.RemoveAt(i);
            lane.WaitsFor = null;
            return true;
        }
        lane = null;
        return false;
    }

    private bool Holds(EmulatedLane lane)
    {
        try
        {
            return lane.WaitsFor!();
        }
        catch (Exception exception)
        {
            Stop(lane, exception);
            return false;
        }
    }

    private bool TryLandCopy()
    {
        if (launch.IsStopped || !copies.TryDequeue(out (EmulatedLane Lane, Action Land) copy))
            return false;
        try
        {
            copy.Land();
            return true;
        }
        catch (Exception exception)
        {
            Stop(copy.Lane, exception);
            return false;
        }
    }

    private void Stop(EmulatedLane lane, Exception exception) => launch.Stop(
        exception as EmulatorFaultException ?? EmulatorFaultException.Of(
            FaultKind.KernelException, lane, $"{exception.GetType().Name}: {exception.Message}", exception));

    // Every lane waits or has exited. Waiting at a barrier that exited lanes have passed by has a name of its own.
    private EmulatorFaultException Standstill()
    {
        EmulatedLane first = lanes.First(lane => lane.State == LaneState.Waiting);
        EmulatedLane? diverged = lanes.FirstOrDefault(lane =>
            lane.WaitsAt == lane.Group.Barrier && lane.Group.Lanes.Any(other => other.State == LaneState.Exited));
        StringBuilder what = new();
        for (int from = 0, to; from < lanes.Length; from = to)
        {
            string doing = Describe(lanes[from]);
            for (to = from + 1; to < lanes.Length && lanes[to].Group == lanes[from].Group && Describe(lanes[to]) == doing; to++)
            {
            }
            string which = to - from == 1 ? $"lane {lanes[from].Index}" : $"lanes {lanes[from].Index} to {lanes[to - 1].Index}";
            string where = Groups.Length == 1 ? "" : $" of group {lanes[from].Group.GridIndex}";
            what.Append(from == 0 ? "" : "; ").Append(which).Append(where).Append(": ").Append(doing);
        }
        return diverged is null
            ? EmulatorFaultException.Of(FaultKind.Deadlock, first, what.ToString())
            : EmulatorFaultException.Of(FaultKind.BarrierDivergence, diverged, what.ToString());
    }

    private static string Describe(EmulatedLane lane) =>
        lane.State == LaneState.Exited ? "exited"
        : lane.WaitsAt is { } barrier ? $"wait at {barrier}"
        : $"wait for {lane.WaitsForWhat}";
}

/// <summary>Unwinds a lane of a launch that a fault has stopped.</summary>
internal sealed class LaneStoppedException : Exception
{
}
