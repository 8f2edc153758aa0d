using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Portable;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Vector.Intrinsics;

/// <summary>Arithmetic that ILGPU would write with more instructions.</summary>
internal static class Arithmetic
{
    /// <summary>The bits of the largest magnitude of eight values; those of a NaN where one of them is.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .f32 a, b, c, e, f, g, h, i; abs.f32 a, $0.0; abs.f32 b, $0.1; abs.f32 c, $0.2; abs.f32 e, $0.3;
        abs.f32 f, $1.0; abs.f32 g, $1.1; abs.f32 h, $1.2; abs.f32 i, $1.3;
        max.NaN.f32 a, a, b; max.NaN.f32 c, c, e; max.NaN.f32 f, f, g; max.NaN.f32 h, h, i;
        max.NaN.f32 a, a, c; max.NaN.f32 f, f, h; max.NaN.f32 a, a, f; mov.b32 $d, a; }
        """)]
    public static int MaxMagnitude(Values4 low, Values4 high) => Magnitude.Max(MaxMagnitude(low), MaxMagnitude(high));

    /// <summary>The bits of the largest magnitude of four values; those of a NaN where one of them is.</summary>
    public static int MaxMagnitude(Values4 v)
        => Magnitude.Max(Magnitude.Max(Magnitude.Of(v.A), Magnitude.Of(v.B)), Magnitude.Max(Magnitude.Of(v.C), Magnitude.Of(v.D)));

    /// <summary>The bits of the largest magnitude, as float32, of eight bfloat16; those of a NaN where one of them is.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 a, b, c, e; abs.bf16x2 a, $0.0; abs.bf16x2 b, $0.1; abs.bf16x2 c, $0.2; abs.bf16x2 e, $0.3;
        max.NaN.bf16x2 a, a, b; max.NaN.bf16x2 c, c, e; max.NaN.bf16x2 a, a, c;
        shl.b32 b, a, 16; and.b32 a, a, 0xffff0000; max.s32 $d, a, b; }
        """)]
    public static int MaxBFloat16(Vec4 bits)
        => MaxMagnitude(Packed.FromBFloat16(bits.X, bits.Y), Packed.FromBFloat16(bits.Z, bits.W));

    /// <summary>The bits of the largest magnitude, as float32, of eight float16; those of a NaN where one of them is.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 a, b, c, e; .reg .b16 l, h; .reg .f32 x; abs.f16x2 a, $0.0; abs.f16x2 b, $0.1; abs.f16x2 c, $0.2; abs.f16x2 e, $0.3;
        max.NaN.f16x2 a, a, b; max.NaN.f16x2 c, c, e; max.NaN.f16x2 a, a, c;
        mov.b32 {l, h}, a; max.NaN.f16 l, l, h; cvt.f32.f16 x, l; mov.b32 $d, x; }
        """)]
    public static int MaxFloat16(Vec4 bits)
        => MaxMagnitude(Packed.FromFloat16(bits.X, bits.Y), Packed.FromFloat16(bits.Z, bits.W));

    /// <summary>One of two registers: the first where the magnitude whose bits are given is finite.</summary>
    /// <remarks>An intrinsic, because ILGPU makes a branch of a condition and takes what intrinsics return for uniform over the warp.</remarks>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred p; setp.lt.s32 p, $0, 0x7f800000; selp.b32 $d, $1, $2, p; }")]
    public static int IfFinite(int magnitude, int then, int otherwise) => Magnitude.IsFinite(magnitude) ? then : otherwise;

    /// <summary>One of two registers, for what <see cref="IfFinite"/> says.</summary>
    [IntrinsicImplementation]
    [Ptx("selp.b32 $d, $1, $2, $0;")]
    public static int If(bool condition, int then, int otherwise) => condition ? then : otherwise;

    /// <summary>
    /// Four quotients by one divisor, by the reciprocal and two corrections. They are the correctly rounded quotients wherever the
    /// residuals do not underflow, and far below a code's distance from zero where they do.
    /// </summary>
    /// <param name="v">The dividends, finite.</param>
    /// <param name="divisor">A scale: finite, not below 1e-12.</param>
    /// <param name="reciprocal">1 / divisor, correctly rounded.</param>
    /// <remarks>
    /// Method: Markstein's division. The residual is taken with its sign turned, so that a dividend of −0 gives −0.
    /// </remarks>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .f32 n, a, b, c, e, r, s, t, u, i, j, k, l; neg.f32 n, $2;
        mul.rn.f32 a, $0.0, $2; mul.rn.f32 b, $0.1, $2; mul.rn.f32 c, $0.2, $2; mul.rn.f32 e, $0.3, $2;
        neg.f32 i, $0.0; neg.f32 j, $0.1; neg.f32 k, $0.2; neg.f32 l, $0.3;
        fma.rn.f32 r, a, $1, i; fma.rn.f32 s, b, $1, j; fma.rn.f32 t, c, $1, k; fma.rn.f32 u, e, $1, l;
        fma.rn.f32 a, r, n, a; fma.rn.f32 b, s, n, b; fma.rn.f32 c, t, n, c; fma.rn.f32 e, u, n, e;
        fma.rn.f32 r, a, $1, i; fma.rn.f32 s, b, $1, j; fma.rn.f32 t, c, $1, k; fma.rn.f32 u, e, $1, l;
        fma.rn.f32 $d.0, r, n, a; fma.rn.f32 $d.1, s, n, b; fma.rn.f32 $d.2, t, n, c; fma.rn.f32 $d.3, u, n, e; }
        """)]
    public static Values4 Divide(Values4 v, float divisor, float reciprocal) => new()
    {
        A = Divide(v.A, divisor, reciprocal),
        B = Divide(v.B, divisor, reciprocal),
        C = Divide(v.C, divisor, reciprocal),
        D = Divide(v.D, divisor, reciprocal),
    };

    /// <summary>1 / <paramref name="value"/>, to within a unit in the last place.</summary>
    [IntrinsicImplementation]
    [Ptx("rcp.approx.ftz.f32 $d, $0;")]
    public static float Reciprocal(float value) => 1f / value;

    private static float Divide(float value, float divisor, float reciprocal)
    {
        float quotient = value * reciprocal;
        quotient = MathF.FusedMultiplyAdd(MathF.FusedMultiplyAdd(quotient, divisor, -value), -reciprocal, quotient);
        return MathF.FusedMultiplyAdd(MathF.FusedMultiplyAdd(quotient, divisor, -value), -reciprocal, quotient);
    }
}
