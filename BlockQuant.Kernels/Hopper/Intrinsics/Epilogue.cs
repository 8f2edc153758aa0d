using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// Accumulators to shared memory, on their way to the output. Staged rows are 128 bytes; their eight 16-byte chunks are swizzled
/// (chunk ^ row % 8), so that neither side has bank conflicts.
/// </summary>
internal static partial class Epilogue
{
    /// <summary>
    /// Rounds up to 32 fields (64 columns) to bfloat16 and stages them as the warp's 16 rows (stmatrix).
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="first">First field, a multiple of 8.</param>
    /// <param name="row">Shared address of row lane % 16.</param>
    /// <param name="swizzle">(lane / 16 ^ row % 8) · 16.</param>
    [IntrinsicImplementation]
    public static partial void StageBFloat16<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged;

    /// <summary>As <see cref="StageBFloat16"/>, to IEEE half.</summary>
    [IntrinsicImplementation]
    public static partial void StageHalf<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged;

    /// <summary>Stages up to 16 fields (32 columns) as float32.</summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="first">First field, a multiple of 8.</param>
    /// <param name="row">Shared address of row lane / 4, plus lane % 2 · 8.</param>
    /// <param name="swizzle">(lane / 2 % 2 ^ row % 8) · 16.</param>
    [IntrinsicImplementation]
    public static partial void StageSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged;

    /// <summary>
    /// As <see cref="StageSingle"/>, the two columns of every pair in each other's place. What is stored at once lies in an even
    /// register and the next: swapped, a column's sum and its FP8 product, whose registers begin with an even one, are in different
    /// register banks, and promotion, which reads both, is faster (2 to 3 % of a whole matmul, whatever its output's type).
    /// </summary>
    [IntrinsicImplementation]
    public static partial void StageSwappedSingle<TAcc>(TAcc acc, int first, int row, int swizzle)
        where TAcc : unmanaged;

    /// <summary>
    /// Stages a swapped product as float32 tokens: field 4j + e goes to token 8j + e % 2 (after this lane's first) and weight row 8 · (e / 2).
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="address">Shared address of this lane's first token and weight row.</param>
    /// <param name="pitch">Bytes from one token to the next; a constant.</param>
    [IntrinsicImplementation]
    public static partial void StageColumns<TAcc>(TAcc acc, int address, int pitch)
        where TAcc : unmanaged;

    /// <summary>
    /// Rounds a swapped product to bfloat16 and stages it token by token (stmatrix, transposed): of each the warp's 16 weight rows, 32 bytes whose
    /// halves are swapped where bit 2 of the token is set, so that neither side has bank conflicts.
    /// </summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="row">Shared address of token lane / 16 · 8 + lane % 8, half lane / 8 % 2.</param>
    [IntrinsicImplementation]
    public static partial void StageTokensBFloat16<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged;

    /// <summary>As <see cref="StageTokensBFloat16"/>, to IEEE half.</summary>
    [IntrinsicImplementation]
    public static partial void StageTokensHalf<TAcc>(TAcc acc, int row)
        where TAcc : unmanaged;

    /// <summary>Writes a swapped product as float32; the lanes of a warp that hold one token write 32 bytes at once.</summary>
    /// <param name="acc">The accumulator.</param>
    /// <param name="target">Global address of the lane's first token and weight row.</param>
    /// <param name="pitch">Bytes from one token to the next.</param>
    /// <param name="tokens">How many tokens exist from the lane's first on.</param>
    /// <param name="rows">How many weight rows do.</param>
    [IntrinsicImplementation]
    public static partial void StoreTokensSingle<TAcc>(TAcc acc, long target, long pitch, int tokens, int rows)
        where TAcc : unmanaged;

    /// <summary>Rounds four neighbours to bfloat16 and writes the first <paramref name="count"/> of them.</summary>
    /// <param name="values">The four.</param>
    /// <param name="target">Global address of the first.</param>
    /// <param name="count">How many exist.</param>
    /// <param name="vector">Not 0 writes all four at once: the address must be a multiple of their size.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .b16 x<4>; .reg .b32 y<2>; setp.ne.s32 V, $3, 0;
            cvt.rn.bf16x2.f32 y0, $0.1, $0.0; cvt.rn.bf16x2.f32 y1, $0.3, $0.2; mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1;
            @V st.global.v2.b32 [$1], {y0, y1};
            setp.gt.and.s32 P, $2, 0, !V; @P st.global.b16 [$1], x0; setp.gt.and.s32 P, $2, 1, !V; @P st.global.b16 [$1+2], x1;
            setp.gt.and.s32 P, $2, 2, !V; @P st.global.b16 [$1+4], x2; setp.gt.and.s32 P, $2, 3, !V; @P st.global.b16 [$1+6], x3; }
        """)]
    public static partial void StoreBFloat16(Acc4 values, long target, int count, int vector);

    /// <summary>As <see cref="StoreBFloat16"/>, to IEEE half.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .b16 x<4>; .reg .b32 y<2>; setp.ne.s32 V, $3, 0;
            cvt.rn.f16x2.f32 y0, $0.1, $0.0; cvt.rn.f16x2.f32 y1, $0.3, $0.2; mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1;
            @V st.global.v2.b32 [$1], {y0, y1};
            setp.gt.and.s32 P, $2, 0, !V; @P st.global.b16 [$1], x0; setp.gt.and.s32 P, $2, 1, !V; @P st.global.b16 [$1+2], x1;
            setp.gt.and.s32 P, $2, 2, !V; @P st.global.b16 [$1+4], x2; setp.gt.and.s32 P, $2, 3, !V; @P st.global.b16 [$1+6], x3; }
        """)]
    public static partial void StoreHalf(Acc4 values, long target, int count, int vector);

    /// <summary>As <see cref="StoreBFloat16"/>, unrounded.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; setp.ne.s32 V, $3, 0; @V st.global.v4.f32 [$1], {$0.0, $0.1, $0.2, $0.3};
            setp.gt.and.s32 P, $2, 0, !V; @P st.global.f32 [$1], $0.0; setp.gt.and.s32 P, $2, 1, !V; @P st.global.f32 [$1+4], $0.1;
            setp.gt.and.s32 P, $2, 2, !V; @P st.global.f32 [$1+8], $0.2; setp.gt.and.s32 P, $2, 3, !V; @P st.global.f32 [$1+12], $0.3; }
        """)]
    public static partial void StoreSingle(Acc4 values, long target, int count, int vector);
}
