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
        var lines = new JoinedLines(codes, streamed, null);
        float scale = count > 0 ? BlockScale.Of<TFormat>(Largest(source), minScale) : 0f;
        for (int group = 0; group < count; group++)
        {
            T* next = group + 1 < count ? source + Length : source;
            float nextScale = BlockScale.Of<TFormat>(Largest(next), minScale);
            HostVectors.Prefetch(scales + group + HostVectors.StreamAhead / (Length * sizeof(T)));
            scales[group] = scale;
            if (float.IsFinite(scale))
            {
                Lanes512 divisor = Lanes512.Create(BitConverter.SingleToInt32Bits(scale));
                lines.Store(
                    Encode(source, divisor, places, HostVectors.StreamAhead), Encode(source + JoinedLines.Length, divisor, places, HostVectors.StreamAhead));
            }
            else
            {
                lines.Store(Vector512.Create(TFormat.NotFinite), Vector512.Create(TFormat.NotFinite));
            }

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
        var lines = new JoinedLines(codes, streamed, leftBefore);
        for (int group = 0; group < count; group++)
        {
            float scale = scales[group];
            Lanes512 divisor = Lanes512.Create(BitConverter.SingleToInt32Bits(scale));
            if (float.IsFinite(scale))
            {
                lines.Store(Encode(source, divisor, places, ahead), Encode(source + JoinedLines.Length, divisor, places, ahead));
            }
            else
            {
                lines.Store(Vector512.Create(TFormat.NotFinite), Vector512.Create(TFormat.NotFinite));
            }

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
    private static Vector512<byte> Encode(T* source, Lanes512 divisor, Vector512<byte> places, long ahead)
        => Lanes512.LowBytes(
            Encode(source, divisor, ahead), Encode(source + 16, divisor, ahead), Encode(source + 32, divisor, ahead), Encode(source + 48, divisor, ahead), places);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Encode(T* source, Lanes512 divisor, long ahead)
    {
        HostVectors.Prefetch((byte*)source + ahead);
        return TFormat.Encode(Lanes512.DivideSingle(Load(source), divisor));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Load(T* source) => TSource.Load<Lanes512>(ref *source);
}
