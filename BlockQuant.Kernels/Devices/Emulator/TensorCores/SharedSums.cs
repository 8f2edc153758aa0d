using System.Numerics;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <content>Plain reads and writes: checked for races as those of views are.</content>
internal static partial class SharedSums
{
    public static partial void Store2(int address, float first, float second)
    {
        ArrayView<Vector2> place = At<Vector2>(address);
        place[0] = new Vector2(first, second);
    }

    public static partial void Store4(int address, Acc4 values)
    {
        ArrayView<Acc4> place = At<Acc4>(address);
        place[0] = values;
    }

    public static partial Acc4 Add(int address, int stride, int count)
    {
        Acc4 sum = At<Acc4>(address)[0];
        for (int i = 1; i < count; i++)
        {
            Acc4 part = At<Acc4>(address + i * stride)[0];
            sum.E0 += part.E0;
            sum.E1 += part.E1;
            sum.E2 += part.E2;
            sum.E3 += part.E3;
        }
        return sum;
    }

    private static unsafe ArrayView<T> At<T>(int address)
        where T : unmanaged
        => address % sizeof(T) == 0
            ? new ArrayView<T>(EmulatedLane.Current.Group.Shared.Dynamic, (address - BlockMemory.Base) / sizeof(T), 1)
            : throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"{sizeof(T)} bytes at shared address {address}");
}
