using System.Runtime.CompilerServices;

namespace BlockQuant;

/// <summary>
/// Scalar conversions between IEEE binary16 bits and float32, fit for GPU compilers: see <see cref="Float8Codec"/> for the rules.
/// </summary>
internal static class HalfCodec
{
    // binary16 has exponent bias 15 and 10 mantissa bits; float32 has 127 and 23.
    internal const int MantissaShift = 13;
    internal const int Rebias = (127 - 15) << 23;
    internal const int SmallestNormalBits = (127 - 14) << 23;
    internal const float SmallestNormal = 1f / 16384f;
    internal const int HalfInfinity = 0x7C00;
    internal const int HalfQuietNaN = 0x7E00;

    // One unit in the last place of a float32 in [0.5, 1) is 2^-24, the distance between binary16 subnormals.
    internal const float SubnormalRounder = 0.5f;
    internal const int SubnormalRounderBits = (127 - 1) << 23;

    internal const int MagnitudeMask = 0x7FFF_FFFF;
    internal const int InfinityBits = 0x7F80_0000;

    /// <summary>The float32 value of binary16 bits.</summary>
    /// <param name="bits">The bits, 0 to 65535; higher bits are ignored.</param>
    /// <returns>The exact value; NaN keeps its payload.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Decode(int bits)
    {
        int magnitude = bits & 0x7FFF;

        // ±∞ and NaN have the largest exponent in both formats, so they move by twice the difference of the biases.
        int rebias = magnitude < HalfInfinity ? Rebias : 2 * Rebias;
        float normal = BitConverter.Int32BitsToSingle((magnitude << MantissaShift) + rebias);
        float value = magnitude < 0x400 ? normal * 2f - SmallestNormal : normal;
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) | ((bits & 0x8000) << 16));
    }

    /// <summary>The binary16 bits nearest to a value, ties to even; overflow gives ±∞.</summary>
    /// <param name="value">Any float32.</param>
    /// <returns>The bits, 0 to 65535; a NaN becomes quiet and keeps its sign and the top of its payload.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Encode(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int magnitude = bits & MagnitudeMask;
        int normal = (magnitude + (0xFFF - Rebias) + ((magnitude >> MantissaShift) & 1)) >> MantissaShift;
        int subnormal = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(magnitude) + SubnormalRounder) - SubnormalRounderBits;
        int finite = Math.Min(magnitude < SmallestNormalBits ? subnormal : normal, HalfInfinity);
        int quietNaN = ((magnitude >> MantissaShift) & 0x3FF) | HalfQuietNaN;
        return (magnitude > InfinityBits ? quietNaN : finite) | ((bits >> 16) & 0x8000);
    }
}
