using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// FP8 to float32 by table: a code without its sign has 128 values, whose bfloat16 halves two permutations look up for 64 codes at once. A third
/// puts them side by side in the order of the codes; an e4m3 value has no bits below its bfloat16.
/// </summary>
internal static unsafe class Float8Table
{
    private const int Codes = 64;

    private static readonly Vector512<byte> LowerBytes0 = Table(0, 0);
    private static readonly Vector512<byte> LowerBytes1 = Table(64, 0);
    private static readonly Vector512<byte> UpperBytes0 = Table(0, 8);
    private static readonly Vector512<byte> UpperBytes1 = Table(64, 8);
    private static readonly Vector512<byte> Quarter0 = Interleave(0);
    private static readonly Vector512<byte> Quarter1 = Interleave(16);
    private static readonly Vector512<byte> Quarter2 = Interleave(32);
    private static readonly Vector512<byte> Quarter3 = Interleave(48);

    /// <summary>Decodes all whole groups of 64 codes and returns how many codes that were.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Widen(byte* source, int length, float* destination)
    {
        Vector512<byte> lower0 = LowerBytes0;
        Vector512<byte> lower1 = LowerBytes1;
        Vector512<byte> upper0 = UpperBytes0;
        Vector512<byte> upper1 = UpperBytes1;
        Vector512<byte> quarter0 = Quarter0;
        Vector512<byte> quarter1 = Quarter1;
        Vector512<byte> quarter2 = Quarter2;
        Vector512<byte> quarter3 = Quarter3;
        Vector512<byte> sign = Vector512.Create((byte)0x80);
        Vector512<byte> kept = Vector512.Create(0xFFFF_0000).AsByte();
        int index = 0;
        for (; index <= length - Codes; index += Codes)
        {
            Vector512<byte> codes = Vector512.Load(source + index);
            Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
            Vector512<byte> upper = Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1) | (codes & sign);
            float* target = destination + index;
            (Avx512Vbmi.PermuteVar64x8x2(lower, quarter0, upper) & kept).AsSingle().Store(target);
            (Avx512Vbmi.PermuteVar64x8x2(lower, quarter1, upper) & kept).AsSingle().Store(target + 16);
            (Avx512Vbmi.PermuteVar64x8x2(lower, quarter2, upper) & kept).AsSingle().Store(target + 32);
            (Avx512Vbmi.PermuteVar64x8x2(lower, quarter3, upper) & kept).AsSingle().Store(target + 48);
        }

        return index;
    }

    private static Vector512<byte> Table(int first, int shift)
    {
        byte* bytes = stackalloc byte[Codes];
        for (int code = 0; code < Codes; code++)
        {
            bytes[code] = (byte)(BFloat16.FromSingle(Float8Codec.Decode(first + code)).Bits >> shift);
        }

        return Vector512.Load(bytes);
    }

    /// <summary>For 16 codes, the places of their lower and upper bytes among the 128, in bytes 2 and 3 of a float32.</summary>
    private static Vector512<byte> Interleave(int first)
    {
        byte* bytes = stackalloc byte[Codes];
        for (int lane = 0; lane < 16; lane++)
        {
            bytes[4 * lane] = 0;
            bytes[4 * lane + 1] = 0;
            bytes[4 * lane + 2] = (byte)(first + lane);
            bytes[4 * lane + 3] = (byte)(first + lane + Codes);
        }

        return Vector512.Load(bytes);
    }
}
