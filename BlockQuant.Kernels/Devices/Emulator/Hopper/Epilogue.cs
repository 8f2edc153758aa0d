using System.Numerics;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Epilogue
{
    private const int PackedFields = 32;
    private const int SingleFields = 16;

    public static partial void StageBFloat16<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => EmulatedLane.AsWarp(nameof(StageBFloat16), new Staging<TAcc>(acc, first, row, swizzle), static warp => StagePacked(warp, BFloat16Codec.Encode));

    public static partial void StageHalf<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => EmulatedLane.AsWarp(nameof(StageHalf), new Staging<TAcc>(acc, first, row, swizzle), static warp => StagePacked(warp, HalfCodec.Encode));

    public static partial void StageSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => StagePairs(acc, first, row, swizzle, static (left, right) => new Vector2(left, right));

    public static partial void StageSwappedSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
        => StagePairs(acc, first, row, swizzle, static (left, right) => new Vector2(right, left));

    private static void StagePairs<TAcc>(TAcc acc, int first, int row, int swizzle, Func<float, float, Vector2> pair)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        Span<float> fields = Fragment.Of(ref acc);
        for (int i = 0; i < SingleFields && first + i < fields.Length; i += 4)
        {
            int address = (swizzle ^ i / 4 * 32) + row;
            memory.Store(address, pair(fields[first + i], fields[first + i + 1]));
            memory.Store(address + 1024, pair(fields[first + i + 2], fields[first + i + 3]));
        }
    }

    public static partial void StageColumns<TAcc>(TAcc acc, int address, int pitch)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        Span<float> fields = Fragment.Of(ref acc);
        for (int i = 0; i < fields.Length; i++)
            memory.Store(address + ((i >> 2) * 8 + (i & 1)) * pitch + (i >> 1 & 1) * 32, fields[i]);
    }

    public static partial void StageTokensBFloat16<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged
        => EmulatedLane.AsWarp(nameof(StageTokensBFloat16), new Staging<TAcc>(acc, 0, row, 0), static warp => StageTokens(warp, BFloat16Codec.Encode));

    public static partial void StageTokensHalf<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged
        => EmulatedLane.AsWarp(nameof(StageTokensHalf), new Staging<TAcc>(acc, 0, row, 0), static warp => StageTokens(warp, HalfCodec.Encode));

    public static partial void StoreTokensSingle<TAcc>(TAcc acc, long target, long pitch, int tokens, int rows)
        where TAcc : unmanaged
    {
        Span<float> fields = Fragment.Of(ref acc);
        for (int i = 0; i < fields.Length; i++)
        {
            int token = i / 4 * 8 + i % 2, row = i % 4 / 2 * 8;
            if (token < tokens && row < rows)
                EmulatedLane.Current.Group.Launch.Memory.Store(target + token * pitch + row * sizeof(float), fields[i]);
        }
    }

    public static partial void StoreBFloat16(Acc4 values, long target, int count, int vector) =>
        StorePacked(values, target, count, vector, BFloat16Codec.Encode);

    public static partial void StoreHalf(Acc4 values, long target, int count, int vector) =>
        StorePacked(values, target, count, vector, HalfCodec.Encode);

    public static partial void StoreSingle(Acc4 values, long target, int count, int vector)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        if (vector != 0)
        {
            global.Store(target, values);
            return;
        }
        Span<float> fields = Fragment.Of(ref values);
        for (int i = 0; i < Math.Min(count, 4); i++)
            global.Store(target + i * 4, fields[i]);
    }

    private static void StorePacked(Acc4 values, long target, int count, int vector, Func<float, int> encode)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        Span<float> fields = Fragment.Of(ref values);
        if (vector != 0)
        {
            global.Store(target, ((long)Pair(fields[2], fields[3], encode) << 32) | Pair(fields[0], fields[1], encode));
            return;
        }
        for (int i = 0; i < Math.Min(count, 4); i++)
            global.Store(target + i * 2, (ushort)encode(fields[i]));
    }

    // stmatrix, four 8 × 8 matrices at a time: lane 8m + r gives the address of row r of matrix m, whose elements are a register
    // of lanes 4r to 4r + 3.
    private static void StagePacked<TAcc>(Staging<TAcc>[] warp, Func<float, int> encode)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        int first = EmulatedLane.Uniform(nameof(StagePacked), warp, warp[0].First, static staging => staging.First);
        int end = Math.Min(first + PackedFields, Fragment.Length<TAcc>());
        for (int lane = 0; lane < warp.Length; lane++)
        {
            Span<float> fields = Fragment.Of(ref warp[lane].Acc);
            for (int i = first; i < end; i += 2)
            {
                int matrix = (i - first) / 2 & 3;
                ref Staging<TAcc> place = ref warp[matrix * 8 + lane / 4];
                int address = (place.Swizzle ^ (i - first) / 8 * 32) + place.Row;
                if (address % 16 != 0)
                    throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"a matrix row at shared address {address}");
                memory.Store(address + lane % 4 * 4, Pair(fields[i], fields[i + 1], encode));
            }
        }
    }

    // The same, transposed: each of a lane's pairs is half a column of a matrix, that is, an element of two of its rows, and up to four matrices
    // are stored at a time, behind which lie those of the next sixteen tokens.
    private static void StageTokens<TAcc>(Staging<TAcc>[] warp, Func<float, int> encode)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        for (int lane = 0; lane < warp.Length; lane++)
        {
            Span<float> fields = Fragment.Of(ref warp[lane].Acc);
            for (int i = 0; i < fields.Length; i++)
            {
                int matrix = i / 2 & 3;
                int address = warp[matrix * 8 + lane % 4 * 2 + i % 2].Row + i / 8 * 512;
                if (address % 16 != 0)
                    throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"a matrix row at shared address {address}");
                memory.Store(address + lane / 4 * 2, (ushort)encode(fields[i]));
            }
        }
    }

    private static uint Pair(float low, float high, Func<float, int> encode) => (uint)(ushort)encode(low) | (uint)encode(high) << 16;

    private struct Staging<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly int First = first, Row = row, Swizzle = swizzle;
    }
}
