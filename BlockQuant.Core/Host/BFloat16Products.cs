using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// FP8 times one scale to bfloat16, 64 codes at once, by a table of the 128 magnitudes' products, whose bytes permutations look up as
/// <see cref="Float8Table"/> does. Where nothing is subnormal or infinite, a power of two changes no significand: sixteen products give all of them.
/// </summary>
internal readonly unsafe struct BFloat16Products
{
    private const int Codes = 64;
    private const int WordCodes = 32;

    /// <summary>e4m3 has eight significands to an exponent, and its first eight magnitudes are subnormal.</summary>
    private const int Significands = 8;

    private const int ExponentShift = 7;

    /// <summary>The difference between words of a table 32 codes apart.</summary>
    private const ushort FourExponents = 4 << ExponentShift;

    // The scales 2⁻¹¹⁶ and 2¹¹⁸: magnitudes are from 2⁻⁹ to 448, and float32 from 2⁻¹²⁶ to 2¹²⁸.
    private const int LeastScaleBits = (127 - 116) << 23;
    private const int MostScaleBits = (127 + 118) << 23;

    private static readonly BFloat16Products Shared = new();

    private readonly Vector512<float> values;
    private readonly Vector512<ushort> firstPlaces;
    private readonly Vector512<ushort> firstExponents;
    private readonly Vector512<ushort> otherPlaces;
    private readonly Vector512<ushort> secondExponents;
    private readonly Vector512<ushort> lastPlace;
    private readonly Vector512<ushort> notANumber;
    private readonly Vector512<byte> lowerBytes;
    private readonly Vector512<byte> upperBytes;
    private readonly Vector512<byte> places;

    public BFloat16Products()
    {
        float* magnitudes = stackalloc float[2 * Significands];
        for (int code = 0; code < 2 * Significands; code++)
        {
            magnitudes[code] = Float8Codec.Decode(code);
        }

        ushort* productPlaces = stackalloc ushort[2 * WordCodes];
        ushort* exponents = stackalloc ushort[2 * WordCodes];
        for (int code = 0; code < 2 * WordCodes; code++)
        {
            // A product's upper half is its bfloat16.
            int exponent = Math.Max(code / Significands - 1, 0);
            productPlaces[code] = (ushort)(2 * (code - exponent * Significands) + 1);
            exponents[code] = (ushort)(exponent << ExponentShift);
        }

        byte* codePlaces = stackalloc byte[Codes];
        for (int place = 0; place < Codes; place++)
        {
            // Unpacking stays within 16 bytes: their lower eight end up in the first vector, their upper eight at the same place of the second.
            codePlaces[place] = (byte)(place % 16 / 8 * WordCodes + place / 16 * 8 + place % 8);
        }

        values = Vector512.Load(magnitudes);
        firstPlaces = Vector512.Load(productPlaces);
        firstExponents = Vector512.Load(exponents);
        otherPlaces = Vector512.Load(productPlaces + WordCodes);
        secondExponents = Vector512.Load(exponents + WordCodes);
        lastPlace = Vector512<ushort>.Zero.WithElement(Float8Codec.NaNMagnitude % WordCodes, ushort.MaxValue);
        notANumber = Vector512.Create(BFloat16.FromSingle(Float8Codec.Decode(Float8Codec.NaNMagnitude)).Bits);
        lowerBytes = Vector512.CreateSequence((byte)0, (byte)2);
        upperBytes = Vector512.CreateSequence((byte)1, (byte)2);
        places = Vector512.Load(codePlaces);
    }

    /// <summary>Whether the machine has the permutations.</summary>
    public static bool IsSupported => Avx512Vbmi.IsSupported;

    /// <summary>What tables are made from, for a loop to keep in registers.</summary>
    public static BFloat16Products Load() => Shared;

    /// <summary>Whether there is a table for a scale: whether it is positive and neither very small nor very large.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Has(float scale) => BitConverter.SingleToInt32Bits(scale) is >= LeastScaleBits and < MostScaleBits;

    /// <summary>The table for a scale, which must <see cref="Has"/> one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Table Of(float scale)
    {
        Vector512<uint> products = (values * Vector512.Create(scale)).AsUInt32();
        Vector512<ushort> rounded = (products + Vector512.Create(0x7FFFu) + ((products >> 16) & Vector512.Create(1u))).AsUInt16();
        Vector512<ushort> first = Avx512BW.PermuteVar32x16(rounded, firstPlaces) + firstExponents;
        Vector512<ushort> second = Avx512BW.PermuteVar32x16(rounded, otherPlaces) + secondExponents;
        Vector512<ushort> third = second + Vector512.Create(FourExponents);
        Vector512<ushort> fourth = Vector512.ConditionalSelect(lastPlace, notANumber, third + Vector512.Create(FourExponents));
        return new Table(
            Avx512Vbmi.PermuteVar64x8x2(first.AsByte(), lowerBytes, second.AsByte()),
            Avx512Vbmi.PermuteVar64x8x2(third.AsByte(), lowerBytes, fourth.AsByte()),
            Avx512Vbmi.PermuteVar64x8x2(first.AsByte(), upperBytes, second.AsByte()),
            Avx512Vbmi.PermuteVar64x8x2(third.AsByte(), upperBytes, fourth.AsByte()));
    }

    /// <summary>The products of 64 codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Decode(byte* source, in Table table, out Vector512<byte> first, out Vector512<byte> second)
    {
        Vector512<byte> codes = Avx512Vbmi.PermuteVar64x8(Vector512.Load(source), places);
        Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(table.Lower0, codes, table.Lower1);
        Vector512<byte> upper = Avx512Vbmi.PermuteVar64x8x2(table.Upper0, codes, table.Upper1);
        upper = Vector512.ConditionalSelect(Vector512.Create((byte)0x80), codes, upper);
        first = Avx512BW.UnpackLow(lower, upper);
        second = Avx512BW.UnpackHigh(lower, upper);
    }

    /// <summary>The lower and upper bytes of products of magnitudes below 64, and of the others.</summary>
    public readonly record struct Table(Vector512<byte> Lower0, Vector512<byte> Lower1, Vector512<byte> Upper0, Vector512<byte> Upper1);
}
