using System.Numerics;
using System.Runtime.CompilerServices;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Cluster
{
    // Four fields of each lane of a warp.
    private const int FourBytes = 4 * sizeof(float) * EmulatedLane.WarpSize;

    public static partial int Rank() => EmulatedLane.Current.Group.ClusterRank;

    public static partial int Size() => EmulatedLane.Current.Group.Launch.ClusterSize;

    public static partial void Sync() => EmulatedLane.ClusterBarrier();

    public static partial void Leave() => EmulatedLane.ClusterBarrier();

    public static partial void Arrive() => EmulatedLane.ArriveAtCluster();

    public static partial void AwaitArrivals() => EmulatedLane.AwaitCluster();

    public static partial void Push<TAcc>(TAcc acc, int address, int rank, int barrier)
        where TAcc : unmanaged
    {
        if (Size() == 1)
            throw EmulatorFaultException.Of(FaultKind.BarrierMisuse, "a block without a cluster pushes");
        BlockMemory memory = BlockMemory.OfRank(rank);
        float[] fields = Fragment.Of(ref acc).ToArray();
        for (int i = 0; i < fields.Length; i += 4)
        {
            int first = i;
            EmulatedLane.StartCopy(() =>
            {
                int target = address + first / 4 * FourBytes;
                memory.Store(target, new Vector4(fields.AsSpan(first, 4)));
                memory.Complete(barrier, Unsafe.SizeOf<Vector4>());
            });
        }
    }

    public static partial void Keep<TAcc>(TAcc acc, int address)
        where TAcc : unmanaged
    {
        Span<float> fields = Fragment.Of(ref acc);
        for (int i = 0; i < fields.Length; i += 4)
            BlockMemory.Own.Store(address + i / 4 * FourBytes, new Vector4(fields.Slice(i, 4)));
    }

    public static partial TAcc SumOfParts<TAcc>(TAcc acc, int address, int part, int parts)
        where TAcc : unmanaged
    {
        TAcc result = default;
        Span<float> own = Fragment.Of(ref acc), sums = Fragment.Of(ref result);
        for (int i = 0; i < parts; i++)
        {
            for (int field = 0; field < sums.Length; field++)
                sums[field] += i == part ? own[field] : BlockMemory.Own.Load<float>(address + field / 4 * FourBytes + field % 4 * sizeof(float));
            if (i != part)
                address += sums.Length / 4 * FourBytes;
        }
        return result;
    }

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
