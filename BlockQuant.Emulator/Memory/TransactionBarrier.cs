namespace BlockQuant.Emulator;

/// <summary>
/// The state of an mbarrier, which takes 8 bytes of shared memory: a phase ends when as many have arrived as it counts and all bytes
/// that were announced have come.
/// </summary>
/// <param name="Phase">The parity of the running phase.</param>
/// <param name="Expected">Arrivals of a phase.</param>
/// <param name="Pending">Arrivals that the running phase lacks.</param>
/// <param name="Bytes">Bytes that it lacks; negative where they came before they were announced.</param>
internal readonly record struct TransactionBarrier(int Phase, int Expected, int Pending, int Bytes)
{
    /// <summary>The most arrivals, and bytes, that the hardware counts.</summary>
    public const int MaxCount = (1 << 20) - 1;

    private const int CountBits = 20;
    private const int ByteBits = 22;

    /// <summary>The state as it lies in memory.</summary>
    public ulong Bits =>
        (uint)Phase | (ulong)Expected << 1 | (ulong)Pending << (CountBits + 1) | (ulong)(Bytes & ((1 << ByteBits) - 1)) << (2 * CountBits + 1);

    /// <summary>Reads the state that lies in memory.</summary>
    public static TransactionBarrier FromBits(ulong bits) => new(
        (int)(bits & 1),
        (int)(bits >> 1) & MaxCount,
        (int)(bits >> (CountBits + 1)) & MaxCount,
        (int)((long)(bits << 1) >> (64 - ByteBits)));

    /// <summary>A barrier in its first phase.</summary>
    public static TransactionBarrier Of(int arrivals) =>
        arrivals is > 0 and <= MaxCount
            ? new TransactionBarrier(0, arrivals, arrivals, 0)
            : throw EmulatorFaultException.Of(FaultKind.BarrierMisuse, $"an mbarrier of {arrivals} arrivals; 1 to {MaxCount} are possible");

    /// <summary>Whether the phase of a parity, the running one or the one before, has ended.</summary>
    public bool HasEnded(int parity) => Phase != parity;

    /// <summary>After one arrival, which may first announce bytes.</summary>
    public TransactionBarrier Arrive(int announcedBytes = 0) =>
        Pending > 0
            ? (this with { Pending = Pending - 1, Bytes = Bytes + announcedBytes }).Checked()
            : throw EmulatorFaultException.Of(FaultKind.BarrierMisuse, $"a further arrival at {this}");

    /// <summary>After some of the announced bytes have come.</summary>
    public TransactionBarrier Complete(int bytes) => (this with { Bytes = Bytes - bytes }).Checked();

    public override string ToString() => $"an mbarrier of parity {Phase} that lacks {Pending} of {Expected} arrivals and {Bytes} bytes";

    private TransactionBarrier Checked()
    {
        if (Math.Abs(Bytes) > MaxCount)
            throw EmulatorFaultException.Of(FaultKind.BarrierMisuse, $"{this}; {MaxCount} can be counted");
        return Pending == 0 && Bytes == 0 ? Of(Expected) with { Phase = Phase ^ 1 } : this;
    }
}
