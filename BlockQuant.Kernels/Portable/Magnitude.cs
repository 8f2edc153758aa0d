namespace BlockQuant.Kernels.Portable;

/// <summary>
/// Magnitudes as integers: the bits of |x| order as |x| does, with ±Inf above every finite value and NaN above ±Inf. So a maximum is exact,
/// independent of its order, keeps NaN, and is the same on accelerators whose float comparison drops NaN.
/// </summary>
internal static class Magnitude
{
    public static int Of(float value) => BitConverter.SingleToInt32Bits(value) & 0x7FFFFFFF;

    public static int Max(int left, int right) => left > right ? left : right;

    /// <summary>True when every value of the block is finite.</summary>
    public static bool IsFinite(int amax) => amax < 0x7F800000;

    /// <summary>The scale of a block whose largest magnitude is given: amax × (1 / largest code), not below the format's floor.</summary>
    /// <remarks>A block with NaN has the scale NaN, one with ±Inf but no NaN the scale +Inf.</remarks>
    public static float Scale<TFormat>(int amax)
        where TFormat : struct, ICodeFormat
    {
        int scale = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(amax) * TFormat.InverseMaxValue);
        int floored = Max(scale & 0x7FFFFFFF, BitConverter.SingleToInt32Bits(TFormat.MinScale));

        // Accelerators differ in the NaN that a division gives, so it is written out.
        return BitConverter.Int32BitsToSingle(amax > 0x7F800000 ? 0x7FC00000 : floored);
    }

    /// <summary>A scale that is not below a floor; NaN and +Inf stay.</summary>
    public static float AtLeast(float scale, float floor)
        => BitConverter.Int32BitsToSingle(Max(BitConverter.SingleToInt32Bits(scale), BitConverter.SingleToInt32Bits(floor)));

    /// <summary>The code of one value of a block. In a block that is not finite every code is the format's not-a-number.</summary>
    public static byte Encode<TFormat>(float value, float scale, int amax)
        where TFormat : struct, ICodeFormat
        => IsFinite(amax) ? TFormat.Encode(value / scale) : TFormat.NotANumber;
}
