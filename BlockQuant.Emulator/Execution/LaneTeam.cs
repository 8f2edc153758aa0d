namespace BlockQuant.Emulator;

/// <summary>Neighbouring lanes of a group that carry out operations together: a warp or a warpgroup.</summary>
internal sealed class LaneTeam
{
    private readonly string name;
    private readonly int first;
    private readonly int size;
    private readonly Rendezvous meeting;
    private string operation = "";
    private Array operands = Array.Empty<object>();
    private int arrived;

    /// <param name="name">What a fault calls it.</param>
    /// <param name="group">The group.</param>
    /// <param name="first">Its first lane in the group.</param>
    /// <param name="size">Its lanes.</param>
    public LaneTeam(string name, EmulatedGroup group, int first, int size)
    {
        this.name = name;
        this.first = first;
        this.size = size;
        meeting = new Rendezvous(name, group.Scheduler, [group]);
    }

    /// <summary>Forgets the lanes that have come.</summary>
    public void Reset()
    {
        arrived = 0;
        meeting.Reset();
    }

    /// <summary>Waits for the team's other lanes; the last to come carries out the operation over all operands.</summary>
    /// <param name="lane">The lane that has come.</param>
    /// <param name="operation">The operation's name, the same in all lanes.</param>
    /// <param name="operand">What the lane brings.</param>
    /// <param name="perform">Reads the operands, in the order of the lanes, and puts results in their places.</param>
    /// <returns>What the operation has left in the lane's place.</returns>
    public T Perform<T>(EmulatedLane lane, string operation, T operand, Action<T[]> perform)
    {
        if (arrived == 0)
        {
            this.operation = operation;
            operands = new T[size];
        }
        else if (this.operation != operation || operands is not T[])
        {
            throw EmulatorFaultException.Of(
                FaultKind.CollectiveMismatch, $"it is at {operation}, while {arrived} lanes of its {name} wait at {this.operation}");
        }
        T[] all = (T[])operands;
        all[lane.Index - first] = operand;
        arrived++;
        if (arrived == size)
        {
            arrived = 0;
            perform(all);
        }
        meeting.Arrive(lane, size, new BarrierSite(operation));
        return all[lane.Index - first];
    }
}
