using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector.Intrinsics;

namespace BlockQuant.Kernels.Vector;

/// <summary>Four eight-bit codes in one register.</summary>
internal interface IVectorCode
{
    /// <summary>The codes of four finite values that are at most the format's largest.</summary>
    static abstract int Encode(Values4 values);

    static abstract Values4 Decode(int codes);
}

/// <summary>FP8 e4m3fn.</summary>
internal readonly struct Float8Vector : IVectorCode
{
    public static int Encode(Values4 values) => Packed.ToFloat8(values);

    public static Values4 Decode(int codes) => Packed.FromFloat8(codes);
}

/// <summary>INT8 as the reference kernels convert it: toward zero.</summary>
internal readonly struct Int8TowardZeroVector : IVectorCode
{
    public static int Encode(Values4 values) => Packed.ToInt8TowardZero(values);

    public static Values4 Decode(int codes) => Packed.FromInt8(codes);
}

/// <summary>INT8 to nearest, ties to even.</summary>
internal readonly struct Int8NearestVector : IVectorCode
{
    public static int Encode(Values4 values) => Packed.ToInt8Nearest(values);

    public static Values4 Decode(int codes) => Packed.FromInt8(codes);
}

/// <summary>What the quantizers share: the codes of a lane's values.</summary>
internal static class VectorCode
{
    /// <summary>The four codes of values in a block whose largest magnitude is <paramref name="amax"/>.</summary>
    /// <param name="values">The values.</param>
    /// <param name="scale">The block's scale.</param>
    /// <param name="reciprocal">1 / scale.</param>
    /// <param name="amax">The bits of the block's largest magnitude.</param>
    public static int Encode<TCode, TFormat>(Values4 values, float scale, float reciprocal, int amax)
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
        => Arithmetic.IfFinite(amax, TCode.Encode(Arithmetic.Divide(values, scale, reciprocal)), TFormat.NotANumber * 0x0101_0101);
}
