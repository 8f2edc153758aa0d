using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>Neighbouring groups of 128 elements to codes by division, 64 codes at once.</summary>
internal static unsafe class DividedGroups<T, TSource, TFormat>
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TFormat : struct, IHostFormat
{
    /// <summary>Elements of a group.</summary>
    public const int Length = 2 * JoinedLines.Length;

    private const int MagnitudeMask = 0x7FFF_FFFF;

    private static readonly Vector512<byte> Places = Vector512.CreateSequence((byte)0, (byte)sizeof(int));

    /// <summary>Whether the machine has the permutations.</summary>
    public static bool IsSupported => Avx512Vbmi.IsSupported;

    /// <summary>Quantizes groups by their own largest magnitudes; past the caches if <paramref name="streamed"/>.</summary>
    /// <remarks>A group's scale is computed before the group before it is encoded: what waits for a scale would leave no place for what does not.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Quantize(T* source, byte* codes, int count, float* scales, float minScale, bool streamed)
    {
        Vector512<byte> places = Places;
        Float8Rounding rounding = Float8Rounding.Load();
        var lines = new JoinedLines(codes, streamed, null);
        float scale = count > 0 ? BlockScale.Of<TFormat>(Largest(source), minScale) : 0f;
        for (int group = 0; group < count; group++)
        {
            T* next = group + 1 < count ? source + Length : source;
            float nextScale = BlockScale.Of<TFormat>(Largest(next), minScale);
            HostVectors.Prefetch(scales + group + HostVectors.StreamAhead / (Length * sizeof(T)));
            scales[group] = scale;
            Lanes512 divisor = Lanes512.Create(BitConverter.SingleToInt32Bits(scale));
            Vector512<byte> first = Encode(source, divisor, places, rounding, HostVectors.StreamAhead);
            Vector512<byte> second = Encode(source + JoinedLines.Length, divisor, places, rounding, HostVectors.StreamAhead);
            if (!float.IsFinite(scale))
            {
                first = second = Vector512.Create(TFormat.NotFinite);
            }

            lines.Store(first, second);
            source = next;
            scale = nextScale;
        }

        lines.Close(null);
    }

    /// <summary>Encodes groups whose scales are given.</summary>
    /// <inheritdoc cref="BFloat16Groups{TFormat}.Encode(ushort*, byte*, int, float*, int, bool, long, byte*, byte*)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Encode(T* source, byte* codes, int count, float* scales, bool streamed, long ahead, byte* leftBefore, byte* left)
    {
        Vector512<byte> places = Places;
        Float8Rounding rounding = Float8Rounding.Load();
        var lines = new JoinedLines(codes, streamed, leftBefore);
        for (int group = 0; group < count; group++)
        {
            float scale = scales[group];
            Lanes512 divisor = Lanes512.Create(BitConverter.SingleToInt32Bits(scale));
            Vector512<byte> first = Encode(source, divisor, places, rounding, ahead);
            Vector512<byte> second = Encode(source + JoinedLines.Length, divisor, places, rounding, ahead);
            if (!float.IsFinite(scale))
            {
                first = second = Vector512.Create(TFormat.NotFinite);
            }

            lines.Store(first, second);
            source += Length;
        }

        lines.Close(left);
    }

    /// <summary>The bits of a group's largest magnitude.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Largest(T* source)
        => Lanes512.MaxLane(Lanes512.Max(
            Lanes512.Max(Larger(source), Larger(source + 2 * Lanes512.Count)),
            Lanes512.Max(Larger(source + 4 * Lanes512.Count), Larger(source + 6 * Lanes512.Count))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Larger(T* source) => Lanes512.Max(Magnitude(source), Magnitude(source + Lanes512.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Magnitude(T* source) => Load(source) & Lanes512.Create(MagnitudeMask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Encode(T* source, Lanes512 divisor, Vector512<byte> places, in Float8Rounding rounding, long ahead)
    {
        Lanes512 first = Divide(source, divisor, ahead);
        Lanes512 second = Divide(source + 16, divisor, ahead);
        Lanes512 third = Divide(source + 32, divisor, ahead);
        Lanes512 fourth = Divide(source + 48, divisor, ahead);
        return typeof(TFormat) == typeof(HostFloat8)
            ? rounding.Encode(first.AsSingle(), second.AsSingle(), third.AsSingle(), fourth.AsSingle())
            : Lanes512.LowBytes(TFormat.Encode(first), TFormat.Encode(second), TFormat.Encode(third), TFormat.Encode(fourth), places);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Divide(T* source, Lanes512 divisor, long ahead)
    {
        HostVectors.Prefetch((byte*)source + ahead);
        return Lanes512.DivideSingle(Load(source), divisor);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Load(T* source) => TSource.Load<Lanes512>(ref *source);
}
