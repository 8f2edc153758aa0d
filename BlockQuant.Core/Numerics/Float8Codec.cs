using System.Runtime.CompilerServices;

namespace BlockQuant;

/// <summary>
/// Scalar conversions between e4m3fn codes and float32, written for GPU compilers as much as for the CPU:
/// integer and float32 arithmetic only, selects instead of branches, no tables.
/// </summary>
/// <remarks>
/// No result depends on float32 denormals, because a device may flush them, and NaN is recognised by its bits,
/// because OpenCL compilers drop the NaN ordering of float compares.
/// </remarks>
internal static class Float8Codec
{
    /// <summary>The code of NaN without its sign.</summary>
    public const int NaNMagnitude = 0x7F;

    /// <summary>The code of 448, the largest finite magnitude.</summary>
    public const int MaxMagnitude = 0x7E;

    // e4m3 has exponent bias 7 and 3 mantissa bits; float32 has 127 and 23.
    internal const int MantissaShift = 20;
    internal const int Rebias = (127 - 7) << 23;
    internal const int SmallestNormalBits = (127 - 6) << 23;
    internal const float SmallestNormal = 1f / 64f;

    // One unit in the last place of a float32 in [2^14, 2^15) is 2^-9, the distance between e4m3 subnormals:
    // adding 2^14 makes the float adder round to that distance.
    internal const float SubnormalRounder = 16384f;
    internal const int SubnormalRounderBits = (127 + 14) << 23;

    internal const int MagnitudeMask = 0x7FFF_FFFF;
    internal const int InfinityBits = 0x7F80_0000;

    // What NaN's code would decode to, 480, with the exponent of NaN: the NaN that PyTorch gives too.
    internal const int NaNBits = 0x7FF0_0000;

    /// <summary>The float32 value of an e4m3fn code.</summary>
    /// <param name="code">The code, 0 to 255; higher bits are ignored.</param>
    /// <returns>The exact value; NaN with the code's sign for 0x7F and 0xFF.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Decode(int code)
    {
        int magnitude = code & 0x7F;
        float normal = BitConverter.Int32BitsToSingle((magnitude << MantissaShift) + Rebias);

        // Below 8 the exponent field is zero: normal is then 2^-7·(1 + m/8) where m·2^-9 is meant.
        float value = magnitude < 8 ? normal * 2f - SmallestNormal : normal;
        int bits = magnitude == NaNMagnitude ? NaNBits : BitConverter.SingleToInt32Bits(value);
        return BitConverter.Int32BitsToSingle(bits | ((code & 0x80) << 24));
    }

    /// <summary>The e4m3fn code nearest to a value, ties to even; overflow and ±∞ give ±448.</summary>
    /// <param name="value">Any float32.</param>
    /// <returns>The code, 0 to 255; 0x7F for every NaN, whatever its sign, as GPU saturating casts do.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int EncodeSaturating(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int magnitude = bits & MagnitudeMask;
        int code = Math.Min(RoundMagnitude(magnitude), MaxMagnitude) | ((bits >> 24) & 0x80);
        return magnitude > InfinityBits ? NaNMagnitude : code;
    }

    /// <summary>The e4m3fn code nearest to a value, ties to even; overflow, ±∞ and NaN give NaN.</summary>
    /// <param name="value">Any float32.</param>
    /// <returns>The code, 0 to 255, with the sign of <paramref name="value"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int EncodeNonSaturating(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return Math.Min(RoundMagnitude(bits & MagnitudeMask), NaNMagnitude) | ((bits >> 24) & 0x80);
    }

    /// <summary>Rounds a float32 magnitude (as bits) to an e4m3 magnitude; overflow and NaN give more than 0x7E.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int RoundMagnitude(int magnitude)
    {
        // Half a unit less one, plus the bit that becomes the last, rounds ties to even.
        int normal = (magnitude + (0x7_FFFF - Rebias) + ((magnitude >> MantissaShift) & 1)) >> MantissaShift;
        int subnormal = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(magnitude) + SubnormalRounder) - SubnormalRounderBits;
        return magnitude < SmallestNormalBits ? subnormal : normal;
    }
}
