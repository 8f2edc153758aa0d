using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>The inner loops of the quantizers: one run of elements that share a scale.</summary>
/// <remarks>
/// A run that is not a whole number of vectors ends with a vector that overlaps the one before: it computes the same codes once more. Methods
/// are not inlined: in a caller their own many small inlinees would exhaust the compiler's budget and become calls.
/// </remarks>
internal static unsafe class BlockRuns<T, TSource, TLanes>
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int MagnitudeMask = 0x7FFF_FFFF;

    /// <summary>The larger, lane by lane, of <paramref name="amax"/> and the run's magnitudes, as the bits of float32: see <c>Magnitude</c> of the kernels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static TLanes MaxMagnitude(T* source, long length, TLanes amax)
    {
        TLanes mask = TLanes.Create(MagnitudeMask);
        if (length < TLanes.Count)
        {
            int largest = 0;
            for (long i = 0; i < length; i++)
            {
                largest = Math.Max(largest, BitConverter.SingleToInt32Bits(TSource.Load(source[i])) & MagnitudeMask);
            }

            return TLanes.Max(amax, TLanes.Create(largest));
        }

        TLanes other = amax;
        long index = 0;
        for (; index <= length - 2 * TLanes.Count; index += 2 * TLanes.Count)
        {
            amax = TLanes.Max(amax, Load(source + index) & mask);
            other = TLanes.Max(other, Load(source + index + TLanes.Count) & mask);
        }

        amax = TLanes.Max(amax, other);
        for (; index <= length - TLanes.Count; index += TLanes.Count)
        {
            amax = TLanes.Max(amax, Load(source + index) & mask);
        }

        return TLanes.Max(amax, Load(source + length - TLanes.Count) & mask);
    }

    /// <summary>Codes = source / scale, which is finite but any other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void EncodeBounded<TFormat>(T* source, byte* codes, long length, float scale)
        where TFormat : struct, IHostFormat
    {
        TLanes divisor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        long index = 0;
        for (; index <= length - TLanes.Count; index += TLanes.Count)
        {
            TFormat.Encode(TFormat.Bound(TLanes.DivideSingle(Load(source + index), divisor)), ref codes[index]);
        }

        for (; index < length; index++)
        {
            codes[index] = TFormat.Encode(TFormat.Bound(TSource.Load(source[index]) / scale));
        }
    }

    /// <summary>Codes = source / scale of the block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Encode<TFormat>(T* source, byte* codes, long length, float scale)
        where TFormat : struct, IHostFormat
    {
        if (length < TLanes.Count)
        {
            for (long i = 0; i < length; i++)
            {
                codes[i] = TFormat.Encode(TSource.Load(source[i]) / scale);
            }

            return;
        }

        TLanes divisor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        for (long index = 0; index <= length - TLanes.Count; index += TLanes.Count)
        {
            TFormat.Encode(TLanes.DivideSingle(Load(source + index), divisor), ref codes[index]);
        }

        long last = length - TLanes.Count;
        TFormat.Encode(TLanes.DivideSingle(Load(source + last), divisor), ref codes[last]);
    }

    /// <summary>Output = code × scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Decode<TFormat, TTarget>(byte* codes, T* output, long length, float scale)
        where TFormat : struct, IHostFormat
        where TTarget : struct, ILaneTarget<T>
    {
        if (length < TLanes.Count)
        {
            for (long i = 0; i < length; i++)
            {
                output[i] = TTarget.Store(TFormat.Decode(codes[i]) * scale);
            }

            return;
        }

        TLanes factor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        for (long index = 0; index <= length - TLanes.Count; index += TLanes.Count)
        {
            TTarget.Store(ref output[index], TLanes.MultiplySingle(TFormat.Decode<TLanes>(ref codes[index]), factor));
        }

        long last = length - TLanes.Count;
        TTarget.Store(ref output[last], TLanes.MultiplySingle(TFormat.Decode<TLanes>(ref codes[last]), factor));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Load(T* source) => TSource.Load<TLanes>(ref *source);
}
