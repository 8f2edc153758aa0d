using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

// ILGPU replaces every call of an intrinsic by PTX, and its own CPU accelerator runs none of the kernels that have them.

internal static partial class AsyncCopy
{
    public static partial void Copy4(int target, long source, int enabled) => throw new NotSupportedException();
}

internal static partial class Cluster
{
    public static partial int Rank() => throw new NotSupportedException();

    public static partial int Size() => throw new NotSupportedException();

    public static partial void Sync() => throw new NotSupportedException();

    public static partial void Leave() => throw new NotSupportedException();

    public static partial void Arrive() => throw new NotSupportedException();

    public static partial void AwaitArrivals() => throw new NotSupportedException();

    public static partial void Push<TAcc>(TAcc acc, int address, int rank, int barrier)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void Keep<TAcc>(TAcc acc, int address)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc SumOfParts<TAcc>(TAcc acc, int address, int part, int parts)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial Acc4 Sum(int address) => throw new NotSupportedException();
}

internal static partial class DependentLaunch
{
    public static partial void Wait() => throw new NotSupportedException();

    public static partial void Trigger() => throw new NotSupportedException();
}

internal static partial class Epilogue
{
    public static partial void StageBFloat16<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageHalf<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageSwappedSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageColumns<TAcc>(TAcc acc, int address, int pitch)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StoreBFloat16(Acc4 values, long target, int count, int vector) => throw new NotSupportedException();

    public static partial void StageTokensBFloat16<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageTokensHalf<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StoreTokensSingle<TAcc>(TAcc acc, long target, long pitch, int tokens, int rows)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StoreHalf(Acc4 values, long target, int count, int vector) => throw new NotSupportedException();

    public static partial void StoreSingle(Acc4 values, long target, int count, int vector) => throw new NotSupportedException();
}

internal static partial class Global
{
    public static partial int Int32(long address) => throw new NotSupportedException();

    public static partial Vec4 Eight(long address, int left) => throw new NotSupportedException();

    public static partial void Prefetch(long address, int enabled) => throw new NotSupportedException();

    public static partial int CountAtMost(long address, int value) => throw new NotSupportedException();
}

internal static partial class Int8Wgmma
{
    public static partial TAcc MultiplyInt8Rows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc MultiplyInt8Columns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => throw new NotSupportedException();
}

internal static partial class MBarrier
{
    public static partial void Initialize(int barrier, int arrivals) => throw new NotSupportedException();

    public static partial void PublishInitialization() => throw new NotSupportedException();

    public static partial void Wait(int barrier, int parity) => throw new NotSupportedException();

    public static partial void ArriveExpect(int barrier, int bytes) => throw new NotSupportedException();

    public static partial void ArriveAt(int barrier, int rank) => throw new NotSupportedException();

    public static partial void Arrive(int barrier) => throw new NotSupportedException();

    public static partial void ArriveEach(int barrier) => throw new NotSupportedException();

    public static partial void ArriveAfterCopies(int barrier) => throw new NotSupportedException();

    public static partial void ArriveStagedWhere(int barrier, int enabled) => throw new NotSupportedException();
}

internal static partial class QuantizingEpilogue
{
    public static partial TAcc AddBias<TAcc>(TAcc acc, long bias, int columns)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial RowPair LargestOfRows<TAcc>(TAcc acc, int first, int columns)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial float OutputScale(int largest) => throw new NotSupportedException();

    public static partial void StageCodesTowardZero<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void StageCodesNearest<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial void CopyCode(int source, long target, int enabled) => throw new NotSupportedException();

    public static partial void StoreScale(float scale, long target, int enabled) => throw new NotSupportedException();

    public static partial Acc4 AddNeighbours(Acc4 values, long bias, int columns) => throw new NotSupportedException();

    public static partial int LargestOfWarp(Acc4 values, int columns) => throw new NotSupportedException();

    public static partial void StoreCodesTowardZero(Acc4 values, float scale, float reciprocal, long target, int columns, int vector) =>
        throw new NotSupportedException();

    public static partial void StoreCodesNearest(Acc4 values, float scale, float reciprocal, long target, int columns, int vector) =>
        throw new NotSupportedException();
}

internal static partial class Shared
{
    public static partial int Base() => throw new NotSupportedException();

    public static partial int Bytes() => throw new NotSupportedException();

    public static partial float Single(int address) => throw new NotSupportedException();

    public static partial Acc4 Four(int address) => throw new NotSupportedException();

    public static partial int Int32(int address) => throw new NotSupportedException();

    public static partial void Clear(int address) => throw new NotSupportedException();

    public static partial void Store8(int address, int low, int high) => throw new NotSupportedException();

    public static partial void Store4(int address, int value, int enabled) => throw new NotSupportedException();

    public static partial void Publish() => throw new NotSupportedException();

    public static partial void CopyRows(int source, long target, long pitch, int rows) => throw new NotSupportedException();

    public static partial void CopySwappedRows(int source, long target, long pitch, int rows) => throw new NotSupportedException();

    public static partial void CopyFour(int source, long target, int count, int whole) => throw new NotSupportedException();

    public static partial void Copy2(int source, long target, int enabled) => throw new NotSupportedException();

    public static partial void Copy4(int source, long target, int enabled) => throw new NotSupportedException();
}

internal static partial class Tma
{
    public static partial long MapA() => throw new NotSupportedException();

    public static partial long MapB() => throw new NotSupportedException();

    public static partial long MapC() => throw new NotSupportedException();

    public static partial void Prefetch(long map) => throw new NotSupportedException();

    public static partial void Load(int target, long map, int column, int row, int barrier) => throw new NotSupportedException();

    public static partial void Load(int target, long map, int column, int row, int barrier, long policy) => throw new NotSupportedException();

    public static partial long MapOfScales() => throw new NotSupportedException();

    public static partial void LoadToBoth(int target, long map, int column, int row, int barrier) => throw new NotSupportedException();

    public static partial void Load16(int target, long source, int barrier) => throw new NotSupportedException();

    public static partial void StoreStaged(int source, long map, int column, int row) => throw new NotSupportedException();

    public static partial void StoreStagedPair(int source, int nextSource, long map, int column, int nextColumn, int row) => throw new NotSupportedException();

    public static partial void AwaitReads() => throw new NotSupportedException();
}

internal static partial class Warpgroup
{
    public static partial int Index() => throw new NotSupportedException();

    public static partial int Lane() => throw new NotSupportedException();

    public static partial int Warp() => throw new NotSupportedException();

    public static partial void ReleaseRegisters(int count) => throw new NotSupportedException();

    public static partial void TakeRegisters(int count) => throw new NotSupportedException();

    public static partial void SyncWarp() => throw new NotSupportedException();

    public static partial void Sync(int barrier, int threads) => throw new NotSupportedException();
}

internal static partial class Wgmma
{
    public static partial TAcc MultiplyRows<TAcc>(
        TAcc acc, int a, int b, int release, int rowScales, int weightScales, int scalePitch, int split)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc MultiplyScaledRows<TAcc>(
        TAcc acc, int a, int b, int release, float upper, float lower, float left, float right, int split, int peer)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc MultiplyColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => throw new NotSupportedException();

    public static partial TAcc MultiplyRowPairs<TAcc>(
        TAcc acc, int a, int b, int nextA, int nextB, int release, int rowScales, int nextRowScales, int weightScale, int scalePitch)
        where TAcc : unmanaged
        => throw new NotSupportedException();
}
