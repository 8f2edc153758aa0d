using System.Runtime.InteropServices;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class QuantizingEpilogue
{
    private const int GroupFields = 64;
    private const int RowLanes = 4;
    private const int InfinityBits = 0x7F800000;
    private const int Neighbours = 4;

    public static partial TAcc AddBias<TAcc>(TAcc acc, long bias, int columns)
        where TAcc : unmanaged
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        Span<float> fields = Fragment.Of(ref acc);
        for (int i = 0; i < fields.Length; i++)
        {
            int column = (i & ~3) * 2 + (i & 1);
            fields[i] += column < columns ? global.Load<float>(bias + column * sizeof(float)) : 0f;
        }
        return acc;
    }

    public static partial RowPair LargestOfRows<TAcc>(TAcc acc, int first, int columns)
        where TAcc : unmanaged
    {
        Span<float> fields = Fragment.Of(ref acc).Slice(first, GroupFields);
        var own = default(RowPair);
        for (int i = 0; i < GroupFields; i++)
        {
            if ((i & ~3) * 2 + (i & 1) >= columns)
                continue;
            int bits = Magnitude(fields[i]);
            if ((i & 2) == 0)
                own.Upper = Math.Max(own.Upper, bits);
            else
                own.Lower = Math.Max(own.Lower, bits);
        }
        return EmulatedLane.AsWarp(nameof(LargestOfRows), own, static warp =>
        {
            for (int lane = 0; lane < warp.Length; lane += RowLanes)
            {
                Span<RowPair> row = warp.AsSpan(lane, RowLanes);
                var largest = default(RowPair);
                foreach (RowPair part in row)
                {
                    largest.Upper = Math.Max(largest.Upper, part.Upper);
                    largest.Lower = Math.Max(largest.Lower, part.Lower);
                }
                row.Fill(largest);
            }
        });
    }

    public static partial float OutputScale(int largest) => largest > InfinityBits
        ? float.NaN
        : MathF.Max(BitConverter.Int32BitsToSingle(largest) * (1f / 127), 1e-8f);

    public static partial void StageCodesTowardZero<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged
        => StageCodes(acc, first, row, swizzle, (upper, upperReciprocal), (lower, lowerReciprocal), MathF.Truncate);

    public static partial void StageCodesNearest<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged
        => StageCodes(acc, first, row, swizzle, (upper, upperReciprocal), (lower, lowerReciprocal), MathF.Round);

    public static partial void CopyCode(int source, long target, int enabled)
    {
        byte code = BlockMemory.Own.Load<byte>(source);
        if (enabled != 0)
            EmulatedLane.Current.Group.Launch.Memory.Store(target, code);
    }

    public static partial void StoreScale(float scale, long target, int enabled)
    {
        if (enabled != 0)
            EmulatedLane.Current.Group.Launch.Memory.Store(target, scale);
    }

    public static partial Acc4 AddNeighbours(Acc4 values, long bias, int columns)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        Span<float> fields = Fragment.Of(ref values);
        for (int i = 0; i < Neighbours; i++)
            fields[i] += i < columns ? global.Load<float>(bias + i * sizeof(float)) : 0f;
        return values;
    }

    public static partial int LargestOfWarp(Acc4 values, int columns)
    {
        Span<float> fields = Fragment.Of(ref values);
        int own = 0;
        for (int i = 0; i < Math.Min(columns, Neighbours); i++)
            own = Math.Max(own, Magnitude(fields[i]));
        return EmulatedLane.AsWarp(nameof(LargestOfWarp), own, static warp => Array.Fill(warp, warp.Max()));
    }

    public static partial void StoreCodesTowardZero(Acc4 values, float scale, float reciprocal, long target, int columns, int vector) =>
        StoreCodes(values, scale, reciprocal, target, columns, vector, MathF.Truncate);

    public static partial void StoreCodesNearest(Acc4 values, float scale, float reciprocal, long target, int columns, int vector) =>
        StoreCodes(values, scale, reciprocal, target, columns, vector, MathF.Round);

    private static void StoreCodes(
        Acc4 values, float scale, float reciprocal, long target, int columns, int vector, Func<float, float> round)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        Span<float> fields = Fragment.Of(ref values);
        Span<byte> codes = stackalloc byte[Neighbours];
        for (int i = 0; i < Neighbours; i++)
            codes[i] = Code(fields[i], scale, reciprocal, round);
        if (vector != 0)
        {
            global.Store(target, MemoryMarshal.Read<int>(codes));
            return;
        }
        for (int i = 0; i < Math.Min(columns, Neighbours); i++)
            global.Store(target + i, codes[i]);
    }

    // Bits of magnitudes order as they do, those of a NaN above all.
    private static int Magnitude(float value) => BitConverter.SingleToInt32Bits(MathF.Abs(value));

    private static void StageCodes<TAcc>(
        TAcc acc, int first, int row, int swizzle, (float Scale, float Reciprocal) upper, (float Scale, float Reciprocal) lower,
        Func<float, float> round)
        where TAcc : unmanaged
    {
        BlockMemory memory = BlockMemory.Own;
        Span<float> fields = Fragment.Of(ref acc).Slice(first, GroupFields);
        for (int i = 0; i < GroupFields; i += 2)
        {
            var (scale, reciprocal) = (i & 2) == 0 ? upper : lower;
            int address = (swizzle ^ i / 8 * 16) + row + (i >> 1 & 1) * 1024 + (i & 4) * 2;
            int low = Code(fields[i], scale, reciprocal, round), high = Code(fields[i + 1], scale, reciprocal, round);
            memory.Store(address, (ushort)(low | high << 8));
        }
    }

    // Markstein's division. What is not a number becomes 0, as it does in the conversion.
    private static byte Code(float value, float scale, float reciprocal, Func<float, float> round)
    {
        float quotient = value * reciprocal;
        for (int correction = 0; correction < 2; correction++)
            quotient = MathF.FusedMultiplyAdd(MathF.FusedMultiplyAdd(quotient, scale, -value), -reciprocal, quotient);
        return float.IsNaN(quotient) ? (byte)0 : (byte)(sbyte)Math.Clamp(round(quotient), sbyte.MinValue, sbyte.MaxValue);
    }
}
