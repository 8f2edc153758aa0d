using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Vector.Intrinsics;

/// <summary>The coefficients of <see cref="GeluApproximation"/>'s polynomial for values in units of a scale.</summary>
internal struct GeluCurve
{
    public float First, Second, Third, Fourth, Fifth;

    /// <summary>The curve in units of a scale, so that nobody need multiply by it.</summary>
    public static GeluCurve Of(float scale)
    {
        float square = scale * scale, fourth = square * square;
        return new()
        {
            First = scale * -1.1507879f,
            Second = square * -4.5999243e-1f,
            Third = square * scale * -5.1827391e-2f,
            Fourth = fourth * 7.0845604e-3f,
            Fifth = fourth * scale * -4.7330970e-4f,
        };
    }
}

/// <summary>GELU: x · Φ(x) = max(x, 0) − |x| · Φ(−|x|), with Φ(−|x|) as 2 to the power of a polynomial.</summary>
/// <remarks>The polynomial is this library's own fit. It falls without end, so that it needs no clamp.</remarks>
internal static class GeluApproximation
{
    /// <summary>GELU of four scaled values.</summary>
    /// <param name="v">The values.</param>
    /// <param name="scale">What they are multiplied by.</param>
    /// <returns>Each to within 4.4e-7, and to a relative 8e-5 below 3; NaN where a scaled value is not finite.</returns>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .f32 x<4>, m<4>, q<4>;
        mul.f32 x0, $0.0, $1; abs.f32 m0, x0; fma.rn.f32 q0, m0, 0fB9F8268D, 0f3BE8259A;
        mul.f32 x1, $0.1, $1; abs.f32 m1, x1; fma.rn.f32 q1, m1, 0fB9F8268D, 0f3BE8259A;
        mul.f32 x2, $0.2, $1; abs.f32 m2, x2; fma.rn.f32 q2, m2, 0fB9F8268D, 0f3BE8259A;
        mul.f32 x3, $0.3, $1; abs.f32 m3, x3; fma.rn.f32 q3, m3, 0fB9F8268D, 0f3BE8259A;
        fma.rn.f32 q0, q0, m0, 0fBD5448F5; fma.rn.f32 q1, q1, m1, 0fBD5448F5; fma.rn.f32 q2, q2, m2, 0fBD5448F5; fma.rn.f32 q3, q3, m3, 0fBD5448F5;
        fma.rn.f32 q0, q0, m0, 0fBEEB8421; fma.rn.f32 q1, q1, m1, 0fBEEB8421; fma.rn.f32 q2, q2, m2, 0fBEEB8421; fma.rn.f32 q3, q3, m3, 0fBEEB8421;
        fma.rn.f32 q0, q0, m0, 0fBF934D05; fma.rn.f32 q1, q1, m1, 0fBF934D05; fma.rn.f32 q2, q2, m2, 0fBF934D05; fma.rn.f32 q3, q3, m3, 0fBF934D05;
        fma.rn.f32 q0, q0, m0, 0fBF80013B; fma.rn.f32 q1, q1, m1, 0fBF80013B; fma.rn.f32 q2, q2, m2, 0fBF80013B; fma.rn.f32 q3, q3, m3, 0fBF80013B;
        ex2.approx.ftz.f32 q0, q0; ex2.approx.ftz.f32 q1, q1; ex2.approx.ftz.f32 q2, q2; ex2.approx.ftz.f32 q3, q3;
        max.f32 x0, x0, 0f00000000; neg.f32 m0, m0; max.f32 x1, x1, 0f00000000; neg.f32 m1, m1; max.f32 x2, x2, 0f00000000; neg.f32 m2, m2; max.f32 x3, x3, 0f00000000; neg.f32 m3, m3;
        fma.rn.f32 $d.0, m0, q0, x0; fma.rn.f32 $d.1, m1, q1, x1; fma.rn.f32 $d.2, m2, q2, x2; fma.rn.f32 $d.3, m3, q3, x3; }
        """)]
    public static Values4 Of(Values4 v, float scale) => new()
    {
        A = Of(v.A * scale, GeluCurve.Of(1)),
        B = Of(v.B * scale, GeluCurve.Of(1)),
        C = Of(v.C * scale, GeluCurve.Of(1)),
        D = Of(v.D * scale, GeluCurve.Of(1)),
    };

    /// <summary>GELU of four INT8 codes, in units of their scale: what comes out times the scale is the GELU of code × scale.</summary>
    /// <param name="codes">The codes.</param>
    /// <param name="curve">The curve of their scale, which is between 0 and 1e4.</param>
    /// <remarks>The codes are taken out signed to 32 bits: one instruction each converts that, where a shift and a conversion of 8 bits are two.</remarks>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 c<4>; .reg .f32 x<4>, m<4>, q<4>;
        bfe.s32 c0, $0, 0, 8; cvt.rn.f32.s32 x0, c0; abs.f32 m0, x0; fma.rn.f32 q0, m0, $1.4, $1.3;
        bfe.s32 c1, $0, 8, 8; cvt.rn.f32.s32 x1, c1; abs.f32 m1, x1; fma.rn.f32 q1, m1, $1.4, $1.3;
        bfe.s32 c2, $0, 16, 8; cvt.rn.f32.s32 x2, c2; abs.f32 m2, x2; fma.rn.f32 q2, m2, $1.4, $1.3;
        bfe.s32 c3, $0, 24, 8; cvt.rn.f32.s32 x3, c3; abs.f32 m3, x3; fma.rn.f32 q3, m3, $1.4, $1.3;
        fma.rn.f32 q0, q0, m0, $1.2; fma.rn.f32 q1, q1, m1, $1.2; fma.rn.f32 q2, q2, m2, $1.2; fma.rn.f32 q3, q3, m3, $1.2;
        fma.rn.f32 q0, q0, m0, $1.1; fma.rn.f32 q1, q1, m1, $1.1; fma.rn.f32 q2, q2, m2, $1.1; fma.rn.f32 q3, q3, m3, $1.1;
        fma.rn.f32 q0, q0, m0, $1.0; fma.rn.f32 q1, q1, m1, $1.0; fma.rn.f32 q2, q2, m2, $1.0; fma.rn.f32 q3, q3, m3, $1.0;
        fma.rn.f32 q0, q0, m0, 0fBF80013B; fma.rn.f32 q1, q1, m1, 0fBF80013B; fma.rn.f32 q2, q2, m2, 0fBF80013B; fma.rn.f32 q3, q3, m3, 0fBF80013B;
        ex2.approx.ftz.f32 q0, q0; ex2.approx.ftz.f32 q1, q1; ex2.approx.ftz.f32 q2, q2; ex2.approx.ftz.f32 q3, q3;
        max.f32 x0, x0, 0f00000000; neg.f32 m0, m0; max.f32 x1, x1, 0f00000000; neg.f32 m1, m1; max.f32 x2, x2, 0f00000000; neg.f32 m2, m2; max.f32 x3, x3, 0f00000000; neg.f32 m3, m3;
        fma.rn.f32 $d.0, m0, q0, x0; fma.rn.f32 $d.1, m1, q1, x1; fma.rn.f32 $d.2, m2, q2, x2; fma.rn.f32 $d.3, m3, q3, x3; }
        """)]
    public static Values4 OfCodes(int codes, GeluCurve curve)
    {
        Values4 v = Packed.FromInt8(codes);
        return new() { A = Of(v.A, curve), B = Of(v.B, curve), C = Of(v.C, curve), D = Of(v.D, curve) };
    }

    private static float Of(float x, GeluCurve curve)
    {
        float magnitude = MathF.Abs(x);
        float power = MathF.FusedMultiplyAdd(magnitude, curve.Fifth, curve.Fourth);
        power = MathF.FusedMultiplyAdd(power, magnitude, curve.Third);
        power = MathF.FusedMultiplyAdd(power, magnitude, curve.Second);
        power = MathF.FusedMultiplyAdd(power, magnitude, curve.First);
        power = MathF.FusedMultiplyAdd(power, magnitude, -1.0000376f);
        float result = MathF.FusedMultiplyAdd(-magnitude, (float)Math.Pow(2, power), MathF.Max(x, 0f));

        // GPUs have one NaN, and its sign is positive.
        return float.IsNaN(result) ? BitConverter.Int32BitsToSingle(int.MaxValue) : result;
    }
}
