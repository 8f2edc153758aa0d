using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// FP8 to float32 by table: a code without its sign has 128 values, whose bfloat16 halves two permutations look up for 64 codes at once. Unpacking
/// puts them side by side; an e4m3 value has no bits below its bfloat16. A permutation of the codes beforehand, the cheaper for having one source,
/// makes up for the order that unpacking leaves.
/// </summary>
internal readonly unsafe struct Float8Table
{
    private const int Codes = 64;

    private static readonly Vector512<byte> LowerBytes0 = Table(0, 0);
    private static readonly Vector512<byte> LowerBytes1 = Table(64, 0);
    private static readonly Vector512<byte> UpperBytes0 = Table(0, 8);
    private static readonly Vector512<byte> UpperBytes1 = Table(64, 8);
    private static readonly Vector512<byte> Places = PlacesBeforeUnpacking();

    private readonly Vector512<byte> lower0;
    private readonly Vector512<byte> lower1;
    private readonly Vector512<byte> upper0;
    private readonly Vector512<byte> upper1;
    private readonly Vector512<byte> places;

    private Float8Table(Vector512<byte> lower0, Vector512<byte> lower1, Vector512<byte> upper0, Vector512<byte> upper1, Vector512<byte> places)
    {
        this.lower0 = lower0;
        this.lower1 = lower1;
        this.upper0 = upper0;
        this.upper1 = upper1;
        this.places = places;
    }

    /// <summary>Whether the machine has the permutations.</summary>
    public static bool IsSupported => Avx512Vbmi.IsSupported;

    /// <summary>The table, for a loop to keep in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Table Load() => new(LowerBytes0, LowerBytes1, UpperBytes0, UpperBytes1, Places);

    /// <summary>The values of 64 codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Decode(byte* source, out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth)
    {
        Vector512<byte> codes = Avx512Vbmi.PermuteVar64x8(Vector512.Load(source), places);
        Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(lower0, codes, lower1);
        Vector512<byte> upper = Vector512.ConditionalSelect(Vector512.Create((byte)0x80), codes, Avx512Vbmi.PermuteVar64x8x2(upper0, codes, upper1));
        Vector512<byte> low = Avx512BW.UnpackLow(lower, upper);
        Vector512<byte> high = Avx512BW.UnpackHigh(lower, upper);
        first = EvenWords(low);
        second = OddWords(low);
        third = EvenWords(high);
        fourth = OddWords(high);
    }

    /// <summary>Decodes all whole groups of 64 codes, times a factor, and returns how many codes that were.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static long Decode<T, TTarget>(byte* source, long length, float factor, T* destination)
        where T : unmanaged
        where TTarget : struct, ILaneTarget<T>
    {
        Float8Table table = Load();
        Vector512<float> factors = Vector512.Create(factor);
        long index = 0;
        for (; index <= length - Codes; index += Codes)
        {
            table.Decode(source + index, out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth);
            T* target = destination + index;
            TTarget.Store(ref target[0], Scale(first, factors));
            TTarget.Store(ref target[16], Scale(second, factors));
            TTarget.Store(ref target[32], Scale(third, factors));
            TTarget.Store(ref target[48], Scale(fourth, factors));
        }

        return index;
    }

    /// <summary><see cref="RowProduct{T, TSource, TLanes}.Multiply"/> of FP8 weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float Multiply(float* left, float* leftScales, Float8E4M3* right, float* rightScales, DepthPiece[] pieces)
    {
        Float8Table table = Load();
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
                table.Decode((byte*)(weights + k), out Vector512<float> first, out Vector512<float> second, out Vector512<float> third, out Vector512<float> fourth);
                sum = MultiplyAdd(activations + k, first, sum);
                sum = MultiplyAdd(activations + k + 16, second, sum);
                sum = MultiplyAdd(activations + k + 32, third, sum);
                sum = MultiplyAdd(activations + k + 48, fourth, sum);
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
