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

    /// <summary>Whether the machine has the permutations.</summary>
    public static bool IsSupported => Avx512Vbmi.IsSupported;

    /// <summary>Decodes all whole groups of 64 codes, times a factor, and returns how many codes that were.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static long Decode<T, TTarget>(byte* source, long length, float factor, T* destination)
        where T : unmanaged
        where TTarget : struct, ILaneTarget<T>
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
        Vector512<float> factors = Vector512.Create(factor);
        long index = 0;
        for (; index <= length - Codes; index += Codes)
        {
            Vector512<byte> codes = Vector512.Load(source + index);
            Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
            Vector512<byte> upper = Vector512.ConditionalSelect(sign, codes, Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1));
            T* target = destination + index;
            TTarget.Store(ref target[0], Quarter(lower, quarter0, upper, factors));
            TTarget.Store(ref target[16], Quarter(lower, quarter1, upper, factors));
            TTarget.Store(ref target[32], Quarter(lower, quarter2, upper, factors));
            TTarget.Store(ref target[48], Quarter(lower, quarter3, upper, factors));
        }

        return index;
    }

    /// <summary><see cref="RowProduct{T, TSource, TLanes}.Multiply"/> of FP8 weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float Multiply(float* left, float* leftScales, Float8E4M3* right, float* rightScales, DepthPiece[] pieces)
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
        Lanes512 total = default;
        for (int i = 0; i < pieces.Length; i++)
        {
            ref readonly DepthPiece piece = ref pieces[i];
            float* activations = left + piece.Padded;
            Float8E4M3* weights = right + piece.K;
            Vector512<float> sum = default;
            for (int k = 0; k < piece.Length; k += Codes)
            {
                HostVectors.PrefetchStream(weights + k);
                Vector512<byte> codes = Vector512.Load((byte*)(weights + k));
                Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
                Vector512<byte> upper = Vector512.ConditionalSelect(sign, codes, Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1));
                sum = MultiplyAdd(activations + k, Quarter(lower, quarter0, upper), sum);
                sum = MultiplyAdd(activations + k + 16, Quarter(lower, quarter1, upper), sum);
                sum = MultiplyAdd(activations + k + 32, Quarter(lower, quarter2, upper), sum);
                sum = MultiplyAdd(activations + k + 48, Quarter(lower, quarter3, upper), sum);
            }

            total = RowProduct<Float8E4M3, Float8LaneFormat, Lanes512>.Promote(
                new Lanes512(sum.AsInt32()), leftScales[i], rightScales, piece.WeightScale, total);
        }

        return Lanes512.SumSingle(total);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> MultiplyAdd(float* activations, Vector512<float> weights, Vector512<float> sum)
        => Vector512.MultiplyAddEstimate(Vector512.Load(activations), weights, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarter(Vector512<byte> lower, Vector512<byte> places, Vector512<byte> upper)
        => (Avx512Vbmi.PermuteVar64x8x2(lower, places, upper).AsUInt32() & Vector512.Create(0xFFFF_0000)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Quarter(Vector512<byte> lower, Vector512<byte> places, Vector512<byte> upper, Vector512<float> factors)
        => new((Quarter(lower, places, upper) * factors).AsInt32());

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
