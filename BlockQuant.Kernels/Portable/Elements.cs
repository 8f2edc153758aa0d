namespace BlockQuant.Kernels.Portable;

/// <summary>A floating-point element as kernels see it: the bits in memory and their value.</summary>
/// <typeparam name="TBits">The type of the bits in memory.</typeparam>
internal interface IElement<TBits>
    where TBits : unmanaged
{
    static abstract float Decode(TBits bits);

    static abstract TBits Encode(float value);
}

/// <summary>float32.</summary>
internal readonly struct Float32Element : IElement<float>
{
    public static float Decode(float bits) => bits;

    public static float Encode(float value) => value;
}

/// <summary>bfloat16, converted in software: ILGPU has no such type.</summary>
internal readonly struct BFloat16Element : IElement<ushort>
{
    public static float Decode(ushort bits) => BFloat16Codec.Decode(bits);

    public static ushort Encode(float value) => (ushort)BFloat16Codec.Encode(value);
}

/// <summary>float16, converted in software: OpenCL devices need not have it.</summary>
internal readonly struct Float16Element : IElement<ushort>
{
    public static float Decode(ushort bits) => HalfCodec.Decode(bits);

    public static ushort Encode(float value) => (ushort)HalfCodec.Encode(value);
}
