namespace BlockQuant.Kernels.Portable;

/// <summary>What the two roundings of INT8 share. Codes are −127 to 127: the range is symmetric, so −128 is never written.</summary>
internal static class Int8Code
{
    public const float MaxValue = 127f;

    /// <summary>Far below every scale of use, far above float32 denormals, which accelerators may flush.</summary>
    public const float MinScale = 1e-12f;

    /// <summary>The smallest scale of an output that an operator quantizes as it computes it.</summary>
    public const float MinOutputScale = 1e-8f;

    private const int MaxBits = (127 + 6) << 23 | 0x7E_0000;

    public static float Decode(byte code) => (sbyte)code;

    /// <summary>Brings a value into the range of the codes. By its bits, because conversions of larger floats differ between accelerators; NaN gives 0.</summary>
    public static float Clamp(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int magnitude = bits & 0x7FFF_FFFF;
        float clamped = BitConverter.Int32BitsToSingle(Math.Min(magnitude, MaxBits) | (bits & ~0x7FFF_FFFF));
        return magnitude > 0x7F80_0000 ? 0f : clamped;
    }
}

/// <summary>INT8 as the reference kernels convert it: toward zero.</summary>
internal readonly struct Int8TowardZeroFormat : ICodeFormat
{
    public static float InverseMaxValue => 1f / Int8Code.MaxValue;

    public static float MinScale => Int8Code.MinScale;

    public static byte NotANumber => 0;

    public static float Decode(byte code) => Int8Code.Decode(code);

    // The mask keeps ILGPU from converting the float straight to an unsigned byte, which clamps negative values to 0.
    public static byte Encode(float value) => (byte)((int)Int8Code.Clamp(value) & 0xFF);
}

/// <summary>INT8 to nearest, ties to even.</summary>
internal readonly struct Int8NearestFormat : ICodeFormat
{
    // One unit in the last place of a float32 in [2^23, 2^24) is 1: adding 1.5 × 2^23 makes the float adder round to integers.
    private const float Rounder = 12582912f;

    public static float InverseMaxValue => 1f / Int8Code.MaxValue;

    public static float MinScale => Int8Code.MinScale;

    public static byte NotANumber => 0;

    public static float Decode(byte code) => Int8Code.Decode(code);

    public static byte Encode(float value) => (byte)BitConverter.SingleToInt32Bits(Int8Code.Clamp(value) + Rounder);
}
