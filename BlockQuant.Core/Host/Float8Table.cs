using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// FP8 to float32 by table: a code without its sign has 128 values, whose bfloat16 halves two permutations look up for 64 codes at once. Unpacking
/// puts them side by side; an e4m3 value has no bits below its bfloat16. A permutation of the codes beforehand, the cheaper for having one source,
/// makes up for the order that unpacking leaves.
/// </summary>
internal static unsafe class Float8Table
{
    private const int Codes = 64;

    private static readonly Vector512<byte> LowerBytes0 = Table(0, 0);
    private static readonly Vector512<byte> LowerBytes1 = Table(64, 0);
    private static readonly Vector512<byte> UpperBytes0 = Table(0, 8);
    private static readonly Vector512<byte> UpperBytes1 = Table(64, 8);
    private static readonly Vector512<byte> Places = PlacesBeforeUnpacking();

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
        Vector512<byte> places = Places;
        Vector512<byte> sign = Vector512.Create((byte)0x80);
        Vector512<float> factors = Vector512.Create(factor);
        long index = 0;
        for (; index <= length - Codes; index += Codes)
        {
            Vector512<byte> codes = Avx512Vbmi.PermuteVar64x8(Vector512.Load(source + index), places);
            Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
            Vector512<byte> upper = Vector512.ConditionalSelect(sign, codes, Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1));
            Vector512<byte> low = Avx512BW.UnpackLow(lower, upper);
            Vector512<byte> high = Avx512BW.UnpackHigh(lower, upper);
            T* target = destination + index;
            TTarget.Store(ref target[0], Scale(EvenWords(low), factors));
            TTarget.Store(ref target[16], Scale(OddWords(low), factors));
            TTarget.Store(ref target[32], Scale(EvenWords(high), factors));
            TTarget.Store(ref target[48], Scale(OddWords(high), factors));
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
        Vector512<byte> places = Places;
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
                Vector512<byte> codes = Avx512Vbmi.PermuteVar64x8(Vector512.Load((byte*)(weights + k)), places);
                Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
                Vector512<byte> upper = Vector512.ConditionalSelect(sign, codes, Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1));
                Vector512<byte> low = Avx512BW.UnpackLow(lower, upper);
                Vector512<byte> high = Avx512BW.UnpackHigh(lower, upper);
                sum = MultiplyAdd(activations + k, EvenWords(low), sum);
                sum = MultiplyAdd(activations + k + 16, OddWords(low), sum);
                sum = MultiplyAdd(activations + k + 32, EvenWords(high), sum);
                sum = MultiplyAdd(activations + k + 48, OddWords(high), sum);
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
    private static Vector512<float> EvenWords(Vector512<byte> words) => (words.AsUInt32() << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> OddWords(Vector512<byte> words) => (words.AsUInt32() & Vector512.Create(0xFFFF_0000)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Lanes512 Scale(Vector512<float> values, Vector512<float> factors) => new((values * factors).AsInt32());

    private static Vector512<byte> Table(int first, int shift)
    {
        byte* bytes = stackalloc byte[Codes];
        for (int code = 0; code < Codes; code++)
        {
            bytes[code] = (byte)(BFloat16.FromSingle(Float8Codec.Decode(first + code)).Bits >> shift);
        }

        return Vector512.Load(bytes);
    }

    /// <summary>
    /// The code for each byte. Unpacking stays within 16 bytes: of their lower eight, and then of their upper eight, the even ones end up in one vector
    /// of four and the odd ones in the next, at the same lanes.
    /// </summary>
    private static Vector512<byte> PlacesBeforeUnpacking()
    {
        byte* bytes = stackalloc byte[Codes];
        for (int place = 0; place < Codes; place++)
        {
            int vector = place % 16 / 8 * 2 + place % 2;
            int lane = place / 16 * 4 + place % 8 / 2;
            bytes[place] = (byte)(vector * 16 + lane);
        }

        return Vector512.Load(bytes);
    }
}
