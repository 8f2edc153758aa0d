namespace BlockQuant.Emulator;

/// <summary>A barrier's place in the source, or the operation that lanes meet for.</summary>
internal readonly record struct BarrierSite(string File, int Line = 0)
{
    public override string ToString() => File is null ? "" : Line == 0 ? $" for {File}" : $" of {Path.GetFileName(File)}:{Line}";
}

/// <summary>A barrier: lanes wait until a number of them have arrived.</summary>
/// <param name="name">What a fault calls it.</param>
/// <param name="scheduler">What runs the lanes.</param>
/// <param name="ordered">The groups whose shared memory accesses it orders.</param>
internal sealed class Rendezvous(string name, LaneScheduler scheduler, EmulatedGroup[] ordered)
{
    private readonly List<EmulatedLane> waiting = [];
    private BarrierSite site;
    private int count;

    public override string ToString() => name + site;

    public void Reset() => waiting.Clear();

    /// <summary>Waits until <paramref name="expected"/> lanes have come, all from the same place of the source.</summary>
    public void Arrive(EmulatedLane lane, int expected, BarrierSite arrivedAt)
    {
        if (waiting.Count > 0 && (count != expected || site != arrivedAt))
        {
            throw EmulatorFaultException.Of(
                FaultKind.BarrierDivergence,
                $"it is at {name}{arrivedAt} for {expected} lanes, while lane {waiting[0].Index} waits at {this} for {count}");
        }
        if (waiting.Count + 1 < expected)
        {
            site = arrivedAt;
            count = expected;
            waiting.Add(lane);
            lane.WaitsAt = this;
            scheduler.Wait(lane);
            return;
        }
        foreach (EmulatedGroup group in ordered)
            group.Shared.Advance();
        foreach (EmulatedLane other in waiting)
        {
            other.WaitsAt = null;
            scheduler.MakeReady(other);
        }
        waiting.Clear();
    }
}
