namespace BlockQuant.Kernels.Portable;

/// <summary>FP8 e4m3fn as an element by itself, without a scale: nearest even, saturating.</summary>
internal readonly struct Float8Element : IElement<byte>
{
    public static float Decode(byte bits) => Float8Codec.Decode(bits);

    public static byte Encode(float value) => (byte)Float8Codec.EncodeSaturating(value);
}
