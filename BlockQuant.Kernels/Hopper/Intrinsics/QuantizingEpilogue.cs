using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// Accumulators to INT8 codes: the bias, the largest magnitude of a row's 128 columns, and the codes on their way to the output. A
/// lane holds two rows, 8 apart, and of each group of 8 columns two neighbours.
/// </summary>
internal static partial class QuantizingEpilogue
{
    /// <summary>Adds a float32 to every column that exists.</summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="bias">Global address of the value of this lane's first column.</param>
    /// <param name="columns">Columns that exist from this lane's first on.</param>
    [IntrinsicImplementation]
    public static partial TAcc AddBias<TAcc>(TAcc acc, long bias, int columns)
        where TAcc : unmanaged;

    /// <summary>
    /// The bits of the largest magnitude of 128 columns, for each of the lane's rows; those of a NaN where one of them is. The four
    /// lanes of a row take part and all get the result.
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="first">Field of the first column: 0 or 64.</param>
    /// <param name="columns">Columns that exist from this lane's first on.</param>
    [IntrinsicImplementation]
    public static partial RowPair LargestOfRows<TAcc>(TAcc acc, int first, int columns)
        where TAcc : unmanaged;

    /// <summary>
    /// The scale of an output group from the bits of its largest magnitude: amax × (1 / 127), not below 1e-8; NaN where it is one.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 s; mul.rn.f32 s, $0, 0f3C010204; max.s32 s, s, 0x322BCC77;
            setp.gt.s32 P, $0, 0x7f800000; selp.b32 $d, 0x7fc00000, s, P; }
        """)]
    public static partial float OutputScale(int largest);

    /// <summary>
    /// Divides 128 columns by their row's scale, rounds them toward zero and stages the codes, 128 bytes a row. The quotients are
    /// correctly rounded, as a division's; where a scale is not finite the codes are 0.
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="first">Field of the first column: 0 or 64.</param>
    /// <param name="row">Shared address of row lane / 4, plus lane % 4 · 2.</param>
    /// <param name="swizzle">(lane / 4) · 16.</param>
    /// <param name="upper">The scale of the upper row.</param>
    /// <param name="upperReciprocal">1 / <paramref name="upper"/>, correctly rounded.</param>
    /// <param name="lower">The scale of the lower row.</param>
    /// <param name="lowerReciprocal">1 / <paramref name="lower"/>, correctly rounded.</param>
    [IntrinsicImplementation]
    public static partial void StageCodesTowardZero<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged;

    /// <summary>As <see cref="StageCodesTowardZero"/>, rounded to nearest even.</summary>
    [IntrinsicImplementation]
    public static partial void StageCodesNearest<TAcc>(
        TAcc acc, int first, int row, int swizzle, float upper, float upperReciprocal, float lower, float lowerReciprocal)
        where TAcc : unmanaged;

    /// <summary>Writes one staged code to global memory where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 x; setp.ne.s32 P, $2, 0; ld.shared.u8 x, [$0]; @P st.global.b8 [$1], x; }")]
    public static partial void CopyCode(int source, long target, int enabled);

    /// <summary>Writes a float32 to global memory where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; setp.ne.s32 P, $2, 0; @P st.global.f32 [$1], $0; }")]
    public static partial void StoreScale(float scale, long target, int enabled);

    /// <summary>Adds a float32 to each of four neighbouring columns that exists.</summary>
    /// <param name="values">The four.</param>
    /// <param name="bias">Global address of the first one's.</param>
    /// <param name="columns">How many exist.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .f32 v<4>; mov.f32 v0, 0f00000000; mov.f32 v1, v0; mov.f32 v2, v0; mov.f32 v3, v0;
            setp.gt.s32 P, $2, 0; @P ld.global.nc.f32 v0, [$1]; setp.gt.s32 P, $2, 1; @P ld.global.nc.f32 v1, [$1+4];
            setp.gt.s32 P, $2, 2; @P ld.global.nc.f32 v2, [$1+8]; setp.gt.s32 P, $2, 3; @P ld.global.nc.f32 v3, [$1+12];
            add.rn.f32 $d.0, $0.0, v0; add.rn.f32 $d.1, $0.1, v1; add.rn.f32 $d.2, $0.2, v2; add.rn.f32 $d.3, $0.3, v3; }
        """)]
    public static partial Acc4 AddNeighbours(Acc4 values, long bias, int columns);

    /// <summary>The bits of the largest magnitude of the warp's 128 columns, four a lane; those of a NaN where one of them is.</summary>
    /// <param name="values">The lane's four.</param>
    /// <param name="columns">How many of them exist.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .f32 v, m; .reg .b32 x, y; mov.f32 m, 0f00000000;
            setp.gt.s32 P, $1, 0; abs.f32 v, $0.0; @P max.NaN.f32 m, m, v; setp.gt.s32 P, $1, 1; abs.f32 v, $0.1; @P max.NaN.f32 m, m, v;
            setp.gt.s32 P, $1, 2; abs.f32 v, $0.2; @P max.NaN.f32 m, m, v; setp.gt.s32 P, $1, 3; abs.f32 v, $0.3; @P max.NaN.f32 m, m, v;
            mov.b32 x, m; shfl.sync.bfly.b32 y, x, 16, 0x1f, 0xffffffff; max.s32 x, x, y;
            shfl.sync.bfly.b32 y, x, 8, 0x1f, 0xffffffff; max.s32 x, x, y; shfl.sync.bfly.b32 y, x, 4, 0x1f, 0xffffffff; max.s32 x, x, y;
            shfl.sync.bfly.b32 y, x, 2, 0x1f, 0xffffffff; max.s32 x, x, y; shfl.sync.bfly.b32 y, x, 1, 0x1f, 0xffffffff; max.s32 $d, x, y; }
        """)]
    public static partial int LargestOfWarp(Acc4 values, int columns);

    /// <summary>Divides four neighbours by their scale, rounds them toward zero and writes the codes that exist.</summary>
    /// <param name="values">The four.</param>
    /// <param name="scale">Their scale.</param>
    /// <param name="reciprocal">1 / <paramref name="scale"/>, correctly rounded.</param>
    /// <param name="target">Global address of the first code.</param>
    /// <param name="columns">How many exist.</param>
    /// <param name="vector">Not 0 writes all four at once: the address must be a multiple of 4.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .f32 n, q<4>, d<4>, r<4>; .reg .b32 c<4>, x, y; .reg .b16 b<4>; neg.f32 n, $2;
            mul.rn.f32 q0, $0.0, $2; neg.f32 d0, $0.0; mul.rn.f32 q1, $0.1, $2; neg.f32 d1, $0.1; mul.rn.f32 q2, $0.2, $2; neg.f32 d2, $0.2; mul.rn.f32 q3, $0.3, $2; neg.f32 d3, $0.3;
            fma.rn.f32 r0, q0, $1, d0; fma.rn.f32 q0, r0, n, q0; fma.rn.f32 r1, q1, $1, d1; fma.rn.f32 q1, r1, n, q1; fma.rn.f32 r2, q2, $1, d2; fma.rn.f32 q2, r2, n, q2; fma.rn.f32 r3, q3, $1, d3; fma.rn.f32 q3, r3, n, q3;
            fma.rn.f32 r0, q0, $1, d0; fma.rn.f32 q0, r0, n, q0; fma.rn.f32 r1, q1, $1, d1; fma.rn.f32 q1, r1, n, q1; fma.rn.f32 r2, q2, $1, d2; fma.rn.f32 q2, r2, n, q2; fma.rn.f32 r3, q3, $1, d3; fma.rn.f32 q3, r3, n, q3;
            cvt.rzi.s32.f32 c0, q0; cvt.rzi.s32.f32 c1, q1; cvt.rzi.s32.f32 c2, q2; cvt.rzi.s32.f32 c3, q3;
            cvt.pack.sat.s8.s32.b32 x, c3, c2, 0; cvt.pack.sat.s8.s32.b32 x, c1, c0, x;
            setp.ne.s32 V, $5, 0; @V st.global.b32 [$3], x;
            setp.gt.and.s32 P, $4, 0, !V; shr.u32 y, x, 0; @P st.global.b8 [$3+0], y; setp.gt.and.s32 P, $4, 1, !V; shr.u32 y, x, 8; @P st.global.b8 [$3+1], y; setp.gt.and.s32 P, $4, 2, !V; shr.u32 y, x, 16; @P st.global.b8 [$3+2], y; setp.gt.and.s32 P, $4, 3, !V; shr.u32 y, x, 24; @P st.global.b8 [$3+3], y; }
        """)]
    public static partial void StoreCodesTowardZero(Acc4 values, float scale, float reciprocal, long target, int columns, int vector);

    /// <summary>As <see cref="StoreCodesTowardZero"/>, rounded to nearest even.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .f32 n, q<4>, d<4>, r<4>; .reg .b32 c<4>, x, y; .reg .b16 b<4>; neg.f32 n, $2;
            mul.rn.f32 q0, $0.0, $2; neg.f32 d0, $0.0; mul.rn.f32 q1, $0.1, $2; neg.f32 d1, $0.1; mul.rn.f32 q2, $0.2, $2; neg.f32 d2, $0.2; mul.rn.f32 q3, $0.3, $2; neg.f32 d3, $0.3;
            fma.rn.f32 r0, q0, $1, d0; fma.rn.f32 q0, r0, n, q0; fma.rn.f32 r1, q1, $1, d1; fma.rn.f32 q1, r1, n, q1; fma.rn.f32 r2, q2, $1, d2; fma.rn.f32 q2, r2, n, q2; fma.rn.f32 r3, q3, $1, d3; fma.rn.f32 q3, r3, n, q3;
            fma.rn.f32 r0, q0, $1, d0; fma.rn.f32 q0, r0, n, q0; fma.rn.f32 r1, q1, $1, d1; fma.rn.f32 q1, r1, n, q1; fma.rn.f32 r2, q2, $1, d2; fma.rn.f32 q2, r2, n, q2; fma.rn.f32 r3, q3, $1, d3; fma.rn.f32 q3, r3, n, q3;
            cvt.rni.s32.f32 c0, q0; cvt.rni.s32.f32 c1, q1; cvt.rni.s32.f32 c2, q2; cvt.rni.s32.f32 c3, q3;
            cvt.pack.sat.s8.s32.b32 x, c3, c2, 0; cvt.pack.sat.s8.s32.b32 x, c1, c0, x;
            setp.ne.s32 V, $5, 0; @V st.global.b32 [$3], x;
            setp.gt.and.s32 P, $4, 0, !V; shr.u32 y, x, 0; @P st.global.b8 [$3+0], y; setp.gt.and.s32 P, $4, 1, !V; shr.u32 y, x, 8; @P st.global.b8 [$3+1], y; setp.gt.and.s32 P, $4, 2, !V; shr.u32 y, x, 16; @P st.global.b8 [$3+2], y; setp.gt.and.s32 P, $4, 3, !V; shr.u32 y, x, 24; @P st.global.b8 [$3+3], y; }
        """)]
    public static partial void StoreCodesNearest(Acc4 values, float scale, float reciprocal, long target, int columns, int vector);
}

/// <summary>One value for each of a lane's two rows.</summary>
internal struct RowPair
{
    public int Upper, Lower;
}
