namespace BlockQuant.Kernels.Portable;

/// <summary>An eight-bit code: its value, its range, and how a scaled value becomes one.</summary>
internal interface ICodeFormat
{
    /// <summary>1 / the largest code's value: amax is multiplied by it to give the scale, as Triton compiles the division by a constant.</summary>
    static abstract float InverseMaxValue { get; }

    /// <summary>The smallest scale, so that an all-zero block has a finite scale and zero codes.</summary>
    static abstract float MinScale { get; }

    /// <summary>The code of every element of a block that holds NaN or ±Inf.</summary>
    static abstract byte NotANumber { get; }

    static abstract float Decode(byte code);

    static abstract byte Encode(float value);
}

/// <summary>FP8 e4m3fn, nearest even, saturating.</summary>
internal readonly struct Float8Format : ICodeFormat
{
    public static float InverseMaxValue => 1f / 448f;

    public static float MinScale => 1e-12f;

    public static byte NotANumber => 0x7F;

    public static float Decode(byte code) => Float8Codec.Decode(code);

    public static byte Encode(float value) => (byte)Float8Codec.EncodeSaturating(value);
}
