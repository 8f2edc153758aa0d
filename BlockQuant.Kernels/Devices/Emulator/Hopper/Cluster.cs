using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Cluster
{
    public static partial int Rank() => EmulatedLane.Current.Group.ClusterRank;

    public static partial int Size() => EmulatedLane.Current.Group.Launch.ClusterSize;

    public static partial void Sync() => EmulatedLane.ClusterBarrier();

    public static partial Acc4 Sum(int address)
    {
        Acc4 sum = default;
        for (int rank = 0; rank < Size(); rank++)
        {
            var part = BlockMemory.OfRank(rank).Load<Acc4>(address);
            sum.E0 += part.E0;
            sum.E1 += part.E1;
            sum.E2 += part.E2;
            sum.E3 += part.E3;
        }
        return sum;
    }
}
