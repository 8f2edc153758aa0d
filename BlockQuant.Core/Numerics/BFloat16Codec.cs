using System.Runtime.CompilerServices;

namespace BlockQuant;

/// <summary>
/// Scalar conversions between bfloat16 bits and float32, fit for GPU compilers: see <see cref="Float8Codec"/> for the rules.
/// </summary>
internal static class BFloat16Codec
{
    internal const int MagnitudeMask = 0x7FFF_FFFF;
    internal const int InfinityBits = 0x7F80_0000;
    internal const int QuietBit = 0x0040_0000;

    /// <summary>The float32 value of bfloat16 bits.</summary>
    /// <param name="bits">The bits, 0 to 65535; higher bits are ignored.</param>
    /// <returns>The exact value; NaN keeps its payload.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Decode(int bits) => BitConverter.Int32BitsToSingle(bits << 16);

    /// <summary>The bfloat16 bits nearest to a value, ties to even; overflow gives ±∞.</summary>
    /// <param name="value">Any float32.</param>
    /// <returns>The bits, 0 to 65535; a NaN becomes quiet and keeps its sign and the top of its payload.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Encode(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int rounded = bits + 0x7FFF + ((bits >> 16) & 1);

        // Rounding could carry a NaN's payload into the sign; making it quiet keeps its payload from becoming zero.
        int kept = (bits & MagnitudeMask) > InfinityBits ? bits | QuietBit : rounded;
        return (kept >> 16) & 0xFFFF;
    }
}
