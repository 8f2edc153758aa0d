using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class MBarrier
{
    public static partial void Initialize(int barrier, int arrivals) =>
        BlockMemory.Own.StoreBarrier(barrier, TransactionBarrier.Of(arrivals));

    public static partial void PublishInitialization()
    {
    }

    public static partial void Wait(int barrier, int parity)
    {
        BlockMemory memory = BlockMemory.Own;
        EmulatedLane.WaitUntil(() => memory.LoadBarrier(barrier).HasEnded(parity), $"parity {parity} of the mbarrier at {barrier}");
    }

    public static partial void ArriveExpect(int barrier, int bytes) => EmulatedLane.Elect(
        nameof(ArriveExpect), (barrier, bytes), static arrival => BlockMemory.Own.Arrive(arrival.barrier, arrival.bytes));

    public static partial void ArriveStagedWhere(int barrier, int enabled)
    {
        Warpgroup.SyncWarp();
        if (enabled != 0)
            BlockMemory.Own.Arrive(barrier);
    }

    public static partial void ArriveAt(int barrier, int rank) =>
        EmulatedLane.Elect(nameof(ArriveAt), (barrier, rank), static arrival => BlockMemory.OfRank(arrival.rank).Arrive(arrival.barrier));

    public static partial void Arrive(int barrier) =>
        EmulatedLane.Elect(nameof(Arrive), barrier, static barrier => BlockMemory.Own.Arrive(barrier));

    public static partial void ArriveEach(int barrier) => BlockMemory.Own.Arrive(barrier);

    public static partial void ArriveAfterCopies(int barrier)
    {
        // Copies land in order, so this one lands after the lane's others.
        BlockMemory memory = BlockMemory.Own;
        EmulatedLane.StartCopy(() => memory.Arrive(barrier));
    }
}
