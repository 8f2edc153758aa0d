using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Vector.Intrinsics;

/// <summary>Conversions of four values at once, by the instructions that GPUs have for them.</summary>
internal static class Packed
{
    /// <summary>Four FP8 e4m3 codes, nearest even, saturating; the first value lowest.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b16 l, h; cvt.rn.satfinite.e4m3x2.f32 l, $0.1, $0.0; cvt.rn.satfinite.e4m3x2.f32 h, $0.3, $0.2; mov.b32 $d, {l, h}; }
        """)]
    public static int ToFloat8(Values4 v) => Pack(
        Float8Codec.EncodeSaturating(v.A), Float8Codec.EncodeSaturating(v.B), Float8Codec.EncodeSaturating(v.C), Float8Codec.EncodeSaturating(v.D));

    /// <summary>Four INT8 codes of values between −128 and 128, rounded toward zero; the first value lowest.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 a, b, c, e; cvt.rzi.s32.f32 a, $0.0; cvt.rzi.s32.f32 b, $0.1; cvt.rzi.s32.f32 c, $0.2; cvt.rzi.s32.f32 e, $0.3;
        cvt.pack.sat.s8.s32.b32 c, e, c, 0; cvt.pack.sat.s8.s32.b32 $d, b, a, c; }
        """)]
    public static int ToInt8TowardZero(Values4 v) => Pack((int)v.A, (int)v.B, (int)v.C, (int)v.D);

    /// <summary>Four INT8 codes of values between −128 and 128, rounded to nearest even; the first value lowest.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 a, b, c, e; cvt.rni.s32.f32 a, $0.0; cvt.rni.s32.f32 b, $0.1; cvt.rni.s32.f32 c, $0.2; cvt.rni.s32.f32 e, $0.3;
        cvt.pack.sat.s8.s32.b32 c, e, c, 0; cvt.pack.sat.s8.s32.b32 $d, b, a, c; }
        """)]
    public static int ToInt8Nearest(Values4 v) => Pack(
        (int)MathF.Round(v.A), (int)MathF.Round(v.B), (int)MathF.Round(v.C), (int)MathF.Round(v.D));

    /// <summary>The values of four FP8 e4m3 codes.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b16 l, h, a, b, c, e; .reg .b32 x, y; mov.b32 {l, h}, $0;
        cvt.rn.f16x2.e4m3x2 x, l; cvt.rn.f16x2.e4m3x2 y, h; mov.b32 {a, b}, x; mov.b32 {c, e}, y;
        cvt.f32.f16 $d.0, a; cvt.f32.f16 $d.1, b; cvt.f32.f16 $d.2, c; cvt.f32.f16 $d.3, e; }
        """)]
    public static Values4 FromFloat8(int codes) => new()
    {
        A = Float8Codec.Decode(codes & 255),
        B = Float8Codec.Decode(codes >> 8 & 255),
        C = Float8Codec.Decode(codes >> 16 & 255),
        D = Float8Codec.Decode(codes >> 24 & 255),
    };

    /// <summary>The values of four INT8 codes.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 x, y, z; shr.u32 x, $0, 8; shr.u32 y, $0, 16; shr.u32 z, $0, 24;
        cvt.rn.f32.s8 $d.0, $0; cvt.rn.f32.s8 $d.1, x; cvt.rn.f32.s8 $d.2, y; cvt.rn.f32.s8 $d.3, z; }
        """)]
    public static Values4 FromInt8(int codes) => new()
    {
        A = (sbyte)codes,
        B = (sbyte)(codes >> 8),
        C = (sbyte)(codes >> 16),
        D = (sbyte)(codes >> 24),
    };

    /// <summary>The values of four bfloat16, two a register.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { shl.b32 $d.0, $0, 16; and.b32 $d.1, $0, 0xffff0000; shl.b32 $d.2, $1, 16; and.b32 $d.3, $1, 0xffff0000; }
        """)]
    public static Values4 FromBFloat16(int low, int high) => new()
    {
        A = BFloat16Codec.Decode(low),
        B = BFloat16Codec.Decode(low >> 16),
        C = BFloat16Codec.Decode(high),
        D = BFloat16Codec.Decode(high >> 16),
    };

    /// <summary>The values of four float16, two a register.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b16 a, b, c, e; mov.b32 {a, b}, $0; mov.b32 {c, e}, $1;
        cvt.f32.f16 $d.0, a; cvt.f32.f16 $d.1, b; cvt.f32.f16 $d.2, c; cvt.f32.f16 $d.3, e; }
        """)]
    public static Values4 FromFloat16(int low, int high) => new()
    {
        A = HalfCodec.Decode(low),
        B = HalfCodec.Decode(low >> 16),
        C = HalfCodec.Decode(high),
        D = HalfCodec.Decode(high >> 16),
    };

    /// <summary>Two bfloat16, nearest even; the first value lower.</summary>
    [IntrinsicImplementation]
    [Ptx("cvt.rn.bf16x2.f32 $d, $1, $0;")]
    public static int ToBFloat16(float low, float high) => BFloat16Codec.Encode(low) | BFloat16Codec.Encode(high) << 16;

    /// <summary>Two float16, nearest even; the first value lower.</summary>
    [IntrinsicImplementation]
    [Ptx("cvt.rn.f16x2.f32 $d, $1, $0;")]
    public static int ToFloat16(float low, float high) => HalfCodec.Encode(low) | HalfCodec.Encode(high) << 16;

    private static int Pack(int a, int b, int c, int d) => a & 255 | (b & 255) << 8 | (c & 255) << 16 | d << 24;
}
