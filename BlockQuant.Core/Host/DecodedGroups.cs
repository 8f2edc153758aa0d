using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>Codes times their scales to float32 or bfloat16, 64 codes at once, whose lines are put together in registers.</summary>
/// <remarks>
/// No call in the loop: it would have registers stored around it, and stores that stay in the caches wait in one queue with those that go past them.
/// </remarks>
internal static unsafe class DecodedGroups<T, TFormat>
    where T : unmanaged
    where TFormat : struct, IHostFormat
{
    private const int Codes = 64;

    private static readonly Vector512<ushort> LowerWords = Vector512.CreateSequence((ushort)0, (ushort)2);
    private static readonly Vector512<ushort> UpperWords = Vector512.CreateSequence((ushort)1, (ushort)2);

    /// <summary>Whether the machine has the permutations, and elements are of a type that comes out of them.</summary>
    public static bool IsSupported
        => BFloat16Products.IsSupported && Float8Table.IsSupported && (typeof(T) == typeof(float) || typeof(T) == typeof(BFloat16));

    /// <summary>
    /// Decodes a run of a row from <paramref name="column"/> on, as far as blocks are whole vectors of codes and have no unusual scale, and returns how
    /// many codes that were.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static long Decode(byte* codes, T* output, in ScaleGrid grid, long column, long length, float* rowScales, bool streamed)
    {
        Float8Table values = Float8Table.Load();
        BFloat16Products products = BFloat16Products.Load();
        Vector512<ushort> lowerWords = LowerWords;
        Vector512<ushort> upperWords = UpperWords;

        var lines = new JoinedLines((byte*)output, streamed, null);
        byte* start = codes;
        long end = column + length;
        for (long block = (column + grid.ColumnOffset) / grid.BlockColumns; column < end; block++)
        {
            long run = Math.Min(end, grid.ColumnOf(block + 1)) - column;
            byte* runEnd = codes + (run & -Codes);
            float scale = rowScales[block];
            Vector512<float> factor = Vector512.Create(scale);
            if (typeof(T) == typeof(float))
            {
                for (; codes < runEnd; codes += Codes)
                {
                    HostVectors.PrefetchStream(codes);
                    Widen(codes, values, out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth);
                    lines.Store((first * factor).AsByte(), (second * factor).AsByte());
                    lines.Store((third * factor).AsByte(), (fourth * factor).AsByte());
                }
            }
            else if (typeof(TFormat) == typeof(HostFloat8) && BFloat16Products.Has(scale))
            {
                BFloat16Products.Table table = products.Of(scale);
                for (; codes < runEnd; codes += Codes)
                {
                    HostVectors.PrefetchStream(codes);
                    products.Decode(codes, table, out Vector512<byte> first, out Vector512<byte> second);
                    lines.Store(first, second);
                }
            }
            else if (typeof(TFormat) != typeof(HostFloat8) && float.IsFinite(scale))
            {
                for (; codes < runEnd; codes += Codes)
                {
                    HostVectors.PrefetchStream(codes);
                    Widen(codes, values, out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth);
                    lines.Store(
                        Round(first * factor, second * factor, lowerWords, upperWords), Round(third * factor, fourth * factor, lowerWords, upperWords));
                }
            }
            else
            {
                break;
            }

            column += run;
            if (run % Codes != 0)
            {
                break;
            }
        }

        lines.Close(null);
        return codes - start;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        byte* codes, in Float8Table values, out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth)
    {
        if (typeof(TFormat) == typeof(HostFloat8))
        {
            values.Decode(codes, out first, out second, out third, out fourth);
            return;
        }

        first = Integers(codes);
        second = Integers(codes + 16);
        third = Integers(codes + 32);
        fourth = Integers(codes + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Integers(byte* codes) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)codes)));

    /// <summary>float32, none of them NaN, to bfloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Round(Vector512<float> first, Vector512<float> second, Vector512<ushort> lowerWords, Vector512<ushort> upperWords)
    {
        Vector512<ushort> lower = Avx512BW.PermuteVar32x16x2(first.AsUInt16(), lowerWords, second.AsUInt16());
        Vector512<ushort> upper = Avx512BW.PermuteVar32x16x2(first.AsUInt16(), upperWords, second.AsUInt16());

        // An odd number takes a half for more than a half.
        Vector512<ushort> fraction = lower | (upper & Vector512.Create((ushort)1));
        return (upper - Vector512.GreaterThan(fraction, Vector512.Create((ushort)0x8000))).AsByte();
    }
}
