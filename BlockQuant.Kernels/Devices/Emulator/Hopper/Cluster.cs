using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Cluster
{
    public static partial int Rank() => EmulatedLane.Current.Group.ClusterRank;

    public static partial int Size() => EmulatedLane.Current.Group.Launch.ClusterSize;

    public static partial void Sync() => EmulatedLane.ClusterBarrier();

    public static partial void Leave() => EmulatedLane.ClusterBarrier();

    public static partial Acc16 SumOfFour(int address, int step, int count)
    {
        return new Acc16
        {
            Low = new() { Low = SumOf(0), High = SumOf(1) },
            High = new() { Low = SumOf(2), High = SumOf(3) },
        };

        Acc4 SumOf(int i) => i < count ? Sum(address + i * step) : Undefined;
    }

    private static Acc4 Undefined => new() { E0 = float.NaN, E1 = float.NaN, E2 = float.NaN, E3 = float.NaN };

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
