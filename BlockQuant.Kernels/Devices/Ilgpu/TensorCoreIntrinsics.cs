using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

// As with the Hopper intrinsics: ILGPU replaces every call by PTX, and its own CPU accelerator runs none of the kernels that have them.

internal static partial class AsyncTile
{
    public static partial void Copy16(int target, long source, int enabled) => throw new NotSupportedException();

    public static partial void Copy4(int target, long source, int enabled) => throw new NotSupportedException();

    public static partial void Commit() => throw new NotSupportedException();

    public static partial void WaitForAllButOne() => throw new NotSupportedException();
}

internal static partial class GlobalMemory
{
    public static partial int Load4(long address, int enabled) => throw new NotSupportedException();

    public static partial int LoadCurrent4(long address, int enabled) => throw new NotSupportedException();

    public static partial Vec2 Load8(long address, int enabled) => throw new NotSupportedException();

    public static partial Vec4 Load16(long address, int enabled) => throw new NotSupportedException();

    public static partial void Prefetch(long address, int enabled) => throw new NotSupportedException();

    public static partial float LoadScale(long address, int enabled) => throw new NotSupportedException();
}

internal static partial class Lanes
{
    public static partial LaneSearch Find(int count, int target) => throw new NotSupportedException();

    public static partial int Broadcast(int value, int lane) => throw new NotSupportedException();

    public static partial Acc8 Neighbours(float value, int first) => throw new NotSupportedException();
}

internal static partial class OutputRow
{
    public static partial Acc8 LoadBFloat16(long source, int count, int vector) => throw new NotSupportedException();

    public static partial Acc8 LoadHalf(long source, int count, int vector) => throw new NotSupportedException();

    public static partial Acc8 LoadSingle(long source, int count, int vector) => throw new NotSupportedException();

    public static partial void StoreBFloat16(Acc8 values, long target, int count, int vector) => throw new NotSupportedException();

    public static partial void StoreHalf(Acc8 values, long target, int count, int vector) => throw new NotSupportedException();

    public static partial void StoreSingle(Acc8 values, long target, int count, int vector) => throw new NotSupportedException();
}

internal static partial class SharedSums
{
    public static partial void Store2(int address, float first, float second) => throw new NotSupportedException();

    public static partial void Store4(int address, Acc4 values) => throw new NotSupportedException();

    public static partial Acc4 Add(int address, int stride, int count) => throw new NotSupportedException();
}

internal static partial class TensorCore
{
    public static partial Acc4 MultiplyFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => throw new NotSupportedException();

    public static partial Acc4 MultiplyBFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => throw new NotSupportedException();
}

internal static partial class WarpTile
{
    public static partial TAcc MultiplyFloat8<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc MultiplyFloat16<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => throw new NotSupportedException();
}
