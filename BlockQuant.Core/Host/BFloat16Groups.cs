using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// Neighbouring groups of 128 bfloat16 to FP8 or truncated INT8 by table, 64 codes at once. A scale comes from the largest magnitude of its group, so
/// there are 128 but for powers of two, and under each the 128 significands of bfloat16 have their codes: the table gives them for the
/// largest magnitude's exponent, and a smaller exponent lowers them. Tables are computed by the format's own division and rounding.
/// </summary>
/// <typeparam name="TFormat">The format.</typeparam>
internal static unsafe class BFloat16Groups<TFormat>
    where TFormat : struct, IHostFormat
{
    /// <summary>Elements of a group.</summary>
    public const int Length = 128;

    private const int Codes = 64;
    private const int Significands = 128;
    private const int SignificandBits = 7;

    /// <summary>The exponents of float32 that a group's largest magnitude may have: finite, and far enough from zero's.</summary>
    private const int LeastExponent = 64;
    private const int MostExponent = 254;

    /// <summary>The codes of FP8 in a power of two; lesser codes are those of zero and of subnormals, which no table has.</summary>
    private const byte CodesOfExponent = 8;

    /// <summary>So many powers of two below the largest magnitude, FP8 codes are zero.</summary>
    private const byte ZeroDistance = 20;

    private static readonly byte* Tables = AllTables();
    private static readonly Vector512<byte> LowerBytes = Counting(0, 2);
    private static readonly Vector512<byte> UpperBytes = Counting(1, 2);

    /// <summary>Whether the machine has the permutations, and the format tables.</summary>
    public static bool IsSupported
        => Avx512Vbmi.IsSupported && (typeof(TFormat) == typeof(HostFloat8) || typeof(TFormat) == typeof(HostInt8Truncated));

    /// <summary>Quantizes groups by their own largest magnitudes; past the caches if <paramref name="streamed"/>.</summary>
    public static void Quantize(ushort* source, byte* codes, int count, float* scales, float minScale, bool streamed)
        => Run<OwnScales>(source, codes, count, scales, 1, minScale, streamed, HostVectors.StreamAhead, null, null);

    /// <summary>Encodes groups whose scales are given: of any values, but fast where <see cref="Has"/> the scale.</summary>
    /// <param name="source">The groups.</param>
    /// <param name="codes">Gets their codes.</param>
    /// <param name="count">Groups.</param>
    /// <param name="scales">Their scales.</param>
    /// <param name="stride">From one group's scale to the next one's.</param>
    /// <param name="streamed">Whether codes go past the caches.</param>
    /// <param name="ahead">How many bytes away are the elements that come later.</param>
    /// <param name="leftBefore">What the run just before this one left: see <see cref="JoinedLines"/>; or null.</param>
    /// <param name="left">Gets what this one leaves, or null.</param>
    public static void Encode(ushort* source, byte* codes, int count, float* scales, int stride, bool streamed, long ahead, byte* leftBefore, byte* left)
        => Run<GivenScales>(source, codes, count, scales, stride, 0f, streamed, ahead, leftBefore, left);

    /// <summary>Whether there is a table for a scale: whether it is that of a bfloat16.</summary>
    public static bool Has(float scale) => Scale(LargestOf(scale)) == scale && IsTabled(LargestOf(scale));

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Run<TScales>(
        ushort* source, byte* codes, int count, float* scales, int stride, float minScale, bool streamed, long ahead, byte* leftBefore, byte* left)
        where TScales : struct
    {
        bool given = typeof(TScales) == typeof(GivenScales);
        byte* rare = stackalloc byte[Length];
        byte* tables = Tables;
        Vector512<byte> lowerBytes = LowerBytes;
        Vector512<byte> upperBytes = UpperBytes;

        var lines = new JoinedLines(codes, streamed, leftBefore);
        for (int group = 0; group < count; group++)
        {
            HostVectors.Prefetch((byte*)source + ahead);
            HostVectors.Prefetch((byte*)source + ahead + LineStream.Line);
            HostVectors.Prefetch((byte*)source + ahead + 2 * LineStream.Line);
            HostVectors.Prefetch((byte*)source + ahead + 3 * LineStream.Line);
            Vector512<ushort> x0 = Vector512.Load(source);
            Vector512<ushort> x1 = Vector512.Load(source + 32);
            Vector512<ushort> x2 = Vector512.Load(source + 64);
            Vector512<ushort> x3 = Vector512.Load(source + 96);
            Vector512<ushort> doubled = Vector512.Max(Vector512.Max(x0 + x0, x1 + x1), Vector512.Max(x2 + x2, x3 + x3));
            int largest = given ? LargestOf(scales[group * stride]) : Largest(doubled);
            bool known = IsTabled(largest)
                & (given
                    ? Scale(largest) == scales[group * stride] & !Vector512.GreaterThanAny(doubled, Vector512.Create((ushort)(2 * largest)))
                    : Scale(largest) > minScale);
            int exponent = largest >> SignificandBits;
            byte* table = tables + (largest & (Significands - 1)) * Significands;
            Vector512<byte> codes0 = Vector512.Load(table);
            Vector512<byte> codes1 = Vector512.Load(table + Codes);
            Vector512<byte> first = Encode(x0, x1, lowerBytes, upperBytes, codes0, codes1, exponent, out Vector512<byte> firstRank);
            Vector512<byte> second = Encode(x2, x3, lowerBytes, upperBytes, codes0, codes1, exponent, out Vector512<byte> secondRank);
            if (typeof(TFormat) == typeof(HostFloat8))
            {
                known &= !Vector512.LessThanAny(Vector512.Min(firstRank, secondRank), Vector512.Create(CodesOfExponent));
            }

            if (!given)
            {
                HostVectors.Prefetch(scales + group + HostVectors.StreamAhead / (Length * sizeof(ushort)));
                scales[group] = known ? Scale(largest) : BlockScale.Of<TFormat>(largest << 16, minScale);
            }

            if (!known)
            {
                Divide(source, scales[group * stride], rare);
                first = Vector512.Load(rare);
                second = Vector512.Load(rare + Codes);
            }

            lines.Store(first, second);
            source += Length;
        }

        lines.Close(left);
    }

    /// <summary>The bfloat16 whose scale this is, if it is one's: it lies far nearer to the product than the next one does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int LargestOf(float scale) => (int)((BitConverter.SingleToUInt32Bits(scale * TFormat.MaxCode) + 0x8000) >> 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsTabled(int largest) => (largest >> SignificandBits) is >= LeastExponent and <= MostExponent;

    /// <summary>The scale of a block whose largest magnitude is this bfloat16, but for the least scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(int largest) => BitConverter.Int32BitsToSingle(largest << 16) * (1f / TFormat.MaxCode);

    /// <summary>The largest magnitude of bfloat16 that are shifted left by one, which drops their signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Largest(Vector512<ushort> doubled)
    {
        Vector256<ushort> half = Vector256.Max(doubled.GetLower(), doubled.GetUpper());
        Vector128<ushort> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        return (ushort)~Sse41.MinHorizontal(~quarter).ToScalar() >> 1;
    }

    /// <summary>The codes of 64 elements. Those of FP8 are right where <paramref name="rank"/> is not less than the codes of a power of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Encode(
        Vector512<ushort> x0, Vector512<ushort> x1, Vector512<byte> lowerBytes, Vector512<byte> upperBytes, Vector512<byte> codes0, Vector512<byte> codes1, int largestExponent, out Vector512<byte> rank)
    {
        Vector512<byte> significands = Avx512Vbmi.PermuteVar64x8x2(x0.AsByte(), lowerBytes, x1.AsByte());
        Vector512<byte> signs = Avx512Vbmi.PermuteVar64x8x2(x0.AsByte(), upperBytes, x1.AsByte());
        Vector512<byte> exponents = Avx512Vbmi.PermuteVar64x8x2((x0 + x0).AsByte(), upperBytes, (x1 + x1).AsByte());
        Vector512<byte> code = Avx512Vbmi.PermuteVar64x8x2(codes0, significands, codes1);
        Vector512<byte> distance = Vector512.Create((byte)largestExponent) - exponents;
        if (typeof(TFormat) == typeof(HostFloat8))
        {
            // Eight codes for each power of two; 31 are more than the table has, and their eightfold still fits a byte.
            Vector512<ushort> lower = Vector512.Min(distance, Vector512.Create((byte)31)).AsUInt16() << 3;
            code = Avx512BW.SubtractSaturate(code, lower.AsByte());
            rank = Vector512.Max(code, Avx512BW.SubtractSaturate(distance, Vector512.Create((byte)(ZeroDistance - CodesOfExponent))));
            return Vector512.ConditionalSelect(Vector512.Create((byte)0x80), signs, code);
        }

        rank = default;
        Vector512<ushort> low = Vector512.Create((ushort)0xFF);
        Vector512<ushort> even = Avx512BW.ShiftRightLogicalVariable(code.AsUInt16() & low, distance.AsUInt16() & low);
        Vector512<ushort> odd = Avx512BW.ShiftRightLogicalVariable(code.AsUInt16(), distance.AsUInt16() >> 8);
        code = Vector512.ConditionalSelect(low, even, odd).AsByte();
        return Vector512.ConditionalSelect(Vector512.LessThan(signs.AsSByte(), Vector512<sbyte>.Zero).AsByte(), -code, code);
    }

    /// <summary>The codes of a group by division.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Divide(ushort* source, float scale, byte* codes)
    {
        if (!float.IsFinite(scale))
        {
            Vector512.Create(TFormat.NotFinite).Store(codes);
            Vector512.Create(TFormat.NotFinite).Store(codes + Codes);
            return;
        }

        Lanes512 divisor = Lanes512.Create(BitConverter.SingleToInt32Bits(scale));
        for (int index = 0; index < Length; index += Lanes512.Count)
        {
            TFormat.EncodeAny(Lanes512.DivideSingle(Lanes512.LoadWords(ref source[index]) << 16, divisor), ref codes[index]);
        }
    }

    /// <summary>Scales that groups get from their largest magnitudes.</summary>
    private struct OwnScales;

    /// <summary>Scales that are given.</summary>
    private struct GivenScales;

    private static byte* AllTables()
    {
        byte* tables = (byte*)NativeMemory.AlignedAlloc(Significands * Significands, Codes);
        for (int largest = 0; largest < Significands; largest++)
        {
            float scale = BlockScale.Of<TFormat>(OneTo2(largest));
            for (int significand = 0; significand < Significands; significand++)
            {
                // Significands beyond the largest only come with smaller exponents: FP8 takes their codes there, truncated INT8 has room for them.
                float scaled = BitConverter.Int32BitsToSingle(OneTo2(significand)) / scale;
                tables[largest * Significands + significand] =
                    typeof(TFormat) == typeof(HostFloat8) ? (byte)(TFormat.Encode(scaled / 2) + CodesOfExponent) : (byte)scaled;
            }
        }

        return tables;
    }

    /// <summary>The bits of a float32 from 1 to 2.</summary>
    private static int OneTo2(int significand) => (127 << 23) | (significand << 16);

    private static Vector512<byte> Counting(int first, int step) => Vector512.CreateSequence((byte)first, (byte)step);
}
