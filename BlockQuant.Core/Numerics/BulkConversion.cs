using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace BlockQuant;

/// <summary>
/// Conversions of whole spans between <see cref="Float8E4M3"/>, <see cref="BFloat16"/>, <see cref="Half"/> and float32,
/// on the widest vectors the machine has. Every element equals its scalar conversion bit for bit.
/// </summary>
/// <remarks>
/// Source and destination have the same length and do not overlap; anything else is an <see cref="ArgumentException"/>.
/// </remarks>
public static class BulkConversion
{
    /// <summary>Widens FP8 to float32, exactly.</summary>
    public static void ToSingle(ReadOnlySpan<Float8E4M3> source, Span<float> destination) =>
        Convert<Float8E4M3, float, Float8LaneFormat, SingleFormat>(source, destination);

    /// <summary>Widens bfloat16 to float32, exactly.</summary>
    public static void ToSingle(ReadOnlySpan<BFloat16> source, Span<float> destination) =>
        Convert<BFloat16, float, BFloat16Format, SingleFormat>(source, destination);

    /// <summary>Widens binary16 to float32, exactly.</summary>
    public static void ToSingle(ReadOnlySpan<Half> source, Span<float> destination) =>
        Convert<Half, float, HalfFormat, SingleFormat>(source, destination);

    /// <summary>Widens FP8 to bfloat16, exactly.</summary>
    public static void ToBFloat16(ReadOnlySpan<Float8E4M3> source, Span<BFloat16> destination) =>
        Convert<Float8E4M3, BFloat16, Float8LaneFormat, BFloat16Format>(source, destination);

    /// <summary>Rounds float32 to the nearest bfloat16, ties to even.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<BFloat16> destination) =>
        Convert<float, BFloat16, SingleFormat, BFloat16Format>(source, destination);

    /// <summary>Widens FP8 to binary16, exactly.</summary>
    public static void ToHalf(ReadOnlySpan<Float8E4M3> source, Span<Half> destination) =>
        Convert<Float8E4M3, Half, Float8LaneFormat, HalfFormat>(source, destination);

    /// <summary>Rounds float32 to the nearest binary16, ties to even.</summary>
    public static void ToHalf(ReadOnlySpan<float> source, Span<Half> destination) =>
        Convert<float, Half, SingleFormat, HalfFormat>(source, destination);

    /// <summary>Rounds float32 to the nearest FP8, ties to even.</summary>
    public static void ToFloat8(ReadOnlySpan<float> source, Span<Float8E4M3> destination, OverflowMode overflow = OverflowMode.Saturate) =>
        ToFloat8<float, SingleFormat>(source, destination, overflow);

    /// <summary>Rounds bfloat16 to the nearest FP8, ties to even.</summary>
    public static void ToFloat8(ReadOnlySpan<BFloat16> source, Span<Float8E4M3> destination, OverflowMode overflow = OverflowMode.Saturate) =>
        ToFloat8<BFloat16, BFloat16Format>(source, destination, overflow);

    /// <summary>Rounds binary16 to the nearest FP8, ties to even.</summary>
    public static void ToFloat8(ReadOnlySpan<Half> source, Span<Float8E4M3> destination, OverflowMode overflow = OverflowMode.Saturate) =>
        ToFloat8<Half, UnsignedNaNHalfFormat>(source, destination, overflow);

    private static void ToFloat8<TFrom, TSource>(ReadOnlySpan<TFrom> source, Span<Float8E4M3> destination, OverflowMode overflow)
        where TFrom : unmanaged
        where TSource : struct, ILaneSource<TFrom>
    {
        if (overflow == OverflowMode.Saturate)
        {
            Convert<TFrom, Float8E4M3, TSource, Float8LaneFormat>(source, destination);
        }
        else
        {
            Convert<TFrom, Float8E4M3, TSource, NonSaturatingFloat8Format>(source, destination);
        }
    }

    private static void Convert<TFrom, TTo, TSource, TTarget>(ReadOnlySpan<TFrom> source, Span<TTo> destination)
        where TFrom : unmanaged
        where TTo : unmanaged
        where TSource : struct, ILaneSource<TFrom>
        where TTarget : struct, ILaneTarget<TTo>
    {
        if (source.Length != destination.Length)
        {
            throw new ArgumentException($"destination has {destination.Length} elements; expected {source.Length}, as many as source.", nameof(destination));
        }

        if (MemoryMarshal.AsBytes(source).Overlaps(MemoryMarshal.AsBytes(destination)))
        {
            throw new ArgumentException("destination overlaps source.", nameof(destination));
        }

        int done = Vector512.IsHardwareAccelerated ? ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes512>(source, destination)
            : Vector256.IsHardwareAccelerated ? ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes256>(source, destination)
            : ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes128>(source, destination);
        for (int index = done; index < source.Length; index++)
        {
            destination[index] = TTarget.Store(TSource.Load(source[index]));
        }
    }

    /// <summary>Converts all whole vectors and returns how many elements that were.</summary>
    /// <remarks>
    /// Optimized from the first call, because unoptimized lanes are many times slower than the scalar loop; and not inlined,
    /// because in a caller its own many small inlinees would exhaust the compiler's budget and become calls.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal static int ConvertVectors<TFrom, TTo, TSource, TTarget, TLanes>(ReadOnlySpan<TFrom> source, Span<TTo> destination)
        where TSource : struct, ILaneSource<TFrom>
        where TTarget : struct, ILaneTarget<TTo>
        where TLanes : struct, ILanes<TLanes>
    {
        ref TFrom from = ref MemoryMarshal.GetReference(source);
        ref TTo to = ref MemoryMarshal.GetReference(destination);
        int index = 0;
        for (; index <= source.Length - TLanes.Count; index += TLanes.Count)
        {
            TTarget.Store(ref Unsafe.Add(ref to, index), TSource.Load<TLanes>(ref Unsafe.Add(ref from, index)));
        }

        return index;
    }
}
