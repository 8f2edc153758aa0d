using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>
/// Eight neighbours of an output row: read as float32 and written rounded. The first <c>count</c> of them exist; <c>vector</c> is not 0 where all
/// do and the address is a multiple of 16.
/// </summary>
internal static partial class OutputRow
{
    /// <summary>Reads bfloat16.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .b32 y<4>; .reg .b16 x<8>; setp.ne.s32 V, $2, 0;
            mov.b32 y0, 0; mov.b32 y1, 0; mov.b32 y2, 0; mov.b32 y3, 0; @V ld.global.v4.b32 {y0, y1, y2, y3}, [$0];
            mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1; mov.b32 {x4, x5}, y2; mov.b32 {x6, x7}, y3;
            setp.gt.and.s32 P, $1, 0, !V; @P ld.global.b16 x0, [$0]; setp.gt.and.s32 P, $1, 1, !V; @P ld.global.b16 x1, [$0+2];
            setp.gt.and.s32 P, $1, 2, !V; @P ld.global.b16 x2, [$0+4]; setp.gt.and.s32 P, $1, 3, !V; @P ld.global.b16 x3, [$0+6];
            setp.gt.and.s32 P, $1, 4, !V; @P ld.global.b16 x4, [$0+8]; setp.gt.and.s32 P, $1, 5, !V; @P ld.global.b16 x5, [$0+10];
            setp.gt.and.s32 P, $1, 6, !V; @P ld.global.b16 x6, [$0+12]; setp.gt.and.s32 P, $1, 7, !V; @P ld.global.b16 x7, [$0+14];
            mov.b32 y0, {x0, x1}; mov.b32 y1, {x2, x3}; mov.b32 y2, {x4, x5}; mov.b32 y3, {x6, x7};
            shl.b32 $d.0, y0, 16; and.b32 $d.1, y0, 0xffff0000; shl.b32 $d.2, y1, 16; and.b32 $d.3, y1, 0xffff0000;
            shl.b32 $d.4, y2, 16; and.b32 $d.5, y2, 0xffff0000; shl.b32 $d.6, y3, 16; and.b32 $d.7, y3, 0xffff0000; }
        """)]
    public static partial Acc8 LoadBFloat16(long source, int count, int vector);

    /// <summary>Reads IEEE half.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .b32 y<4>; .reg .b16 x<8>; setp.ne.s32 V, $2, 0;
            mov.b32 y0, 0; mov.b32 y1, 0; mov.b32 y2, 0; mov.b32 y3, 0; @V ld.global.v4.b32 {y0, y1, y2, y3}, [$0];
            mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1; mov.b32 {x4, x5}, y2; mov.b32 {x6, x7}, y3;
            setp.gt.and.s32 P, $1, 0, !V; @P ld.global.b16 x0, [$0]; setp.gt.and.s32 P, $1, 1, !V; @P ld.global.b16 x1, [$0+2];
            setp.gt.and.s32 P, $1, 2, !V; @P ld.global.b16 x2, [$0+4]; setp.gt.and.s32 P, $1, 3, !V; @P ld.global.b16 x3, [$0+6];
            setp.gt.and.s32 P, $1, 4, !V; @P ld.global.b16 x4, [$0+8]; setp.gt.and.s32 P, $1, 5, !V; @P ld.global.b16 x5, [$0+10];
            setp.gt.and.s32 P, $1, 6, !V; @P ld.global.b16 x6, [$0+12]; setp.gt.and.s32 P, $1, 7, !V; @P ld.global.b16 x7, [$0+14];
            cvt.f32.f16 $d.0, x0; cvt.f32.f16 $d.1, x1; cvt.f32.f16 $d.2, x2; cvt.f32.f16 $d.3, x3;
            cvt.f32.f16 $d.4, x4; cvt.f32.f16 $d.5, x5; cvt.f32.f16 $d.6, x6; cvt.f32.f16 $d.7, x7; }
        """)]
    public static partial Acc8 LoadHalf(long source, int count, int vector);

    /// <summary>Reads float32.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .f32 x<8>; setp.ne.s32 V, $2, 0;
            mov.f32 x0, 0f00000000; mov.f32 x1, x0; mov.f32 x2, x0; mov.f32 x3, x0; mov.f32 x4, x0; mov.f32 x5, x0; mov.f32 x6, x0; mov.f32 x7, x0;
            @V ld.global.v4.f32 {x0, x1, x2, x3}, [$0]; @V ld.global.v4.f32 {x4, x5, x6, x7}, [$0+16];
            setp.gt.and.s32 P, $1, 0, !V; @P ld.global.f32 x0, [$0]; setp.gt.and.s32 P, $1, 1, !V; @P ld.global.f32 x1, [$0+4];
            setp.gt.and.s32 P, $1, 2, !V; @P ld.global.f32 x2, [$0+8]; setp.gt.and.s32 P, $1, 3, !V; @P ld.global.f32 x3, [$0+12];
            setp.gt.and.s32 P, $1, 4, !V; @P ld.global.f32 x4, [$0+16]; setp.gt.and.s32 P, $1, 5, !V; @P ld.global.f32 x5, [$0+20];
            setp.gt.and.s32 P, $1, 6, !V; @P ld.global.f32 x6, [$0+24]; setp.gt.and.s32 P, $1, 7, !V; @P ld.global.f32 x7, [$0+28];
            mov.f32 $d.0, x0; mov.f32 $d.1, x1; mov.f32 $d.2, x2; mov.f32 $d.3, x3;
            mov.f32 $d.4, x4; mov.f32 $d.5, x5; mov.f32 $d.6, x6; mov.f32 $d.7, x7; }
        """)]
    public static partial Acc8 LoadSingle(long source, int count, int vector);

    /// <summary>Writes bfloat16, rounded to nearest even.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 y<4>; .reg .b16 x<8>; setp.le.s32 P, $2, 0; @P bra DONE;
            cvt.rn.bf16x2.f32 y0, $0.1, $0.0; cvt.rn.bf16x2.f32 y1, $0.3, $0.2; cvt.rn.bf16x2.f32 y2, $0.5, $0.4; cvt.rn.bf16x2.f32 y3, $0.7, $0.6;
            setp.eq.s32 P, $3, 0; @P bra ONE; st.global.v4.b32 [$1], {y0, y1, y2, y3}; bra DONE; ONE:
            mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1; mov.b32 {x4, x5}, y2; mov.b32 {x6, x7}, y3;
            setp.gt.s32 P, $2, 0; @P st.global.b16 [$1], x0; setp.gt.s32 P, $2, 1; @P st.global.b16 [$1+2], x1;
            setp.gt.s32 P, $2, 2; @P st.global.b16 [$1+4], x2; setp.gt.s32 P, $2, 3; @P st.global.b16 [$1+6], x3;
            setp.gt.s32 P, $2, 4; @P st.global.b16 [$1+8], x4; setp.gt.s32 P, $2, 5; @P st.global.b16 [$1+10], x5;
            setp.gt.s32 P, $2, 6; @P st.global.b16 [$1+12], x6; setp.gt.s32 P, $2, 7; @P st.global.b16 [$1+14], x7; DONE: }
        """)]
    public static partial void StoreBFloat16(Acc8 values, long target, int count, int vector);

    /// <summary>Writes IEEE half, rounded to nearest even.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 y<4>; .reg .b16 x<8>; setp.le.s32 P, $2, 0; @P bra DONE;
            cvt.rn.f16x2.f32 y0, $0.1, $0.0; cvt.rn.f16x2.f32 y1, $0.3, $0.2; cvt.rn.f16x2.f32 y2, $0.5, $0.4; cvt.rn.f16x2.f32 y3, $0.7, $0.6;
            setp.eq.s32 P, $3, 0; @P bra ONE; st.global.v4.b32 [$1], {y0, y1, y2, y3}; bra DONE; ONE:
            mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1; mov.b32 {x4, x5}, y2; mov.b32 {x6, x7}, y3;
            setp.gt.s32 P, $2, 0; @P st.global.b16 [$1], x0; setp.gt.s32 P, $2, 1; @P st.global.b16 [$1+2], x1;
            setp.gt.s32 P, $2, 2; @P st.global.b16 [$1+4], x2; setp.gt.s32 P, $2, 3; @P st.global.b16 [$1+6], x3;
            setp.gt.s32 P, $2, 4; @P st.global.b16 [$1+8], x4; setp.gt.s32 P, $2, 5; @P st.global.b16 [$1+10], x5;
            setp.gt.s32 P, $2, 6; @P st.global.b16 [$1+12], x6; setp.gt.s32 P, $2, 7; @P st.global.b16 [$1+14], x7; DONE: }
        """)]
    public static partial void StoreHalf(Acc8 values, long target, int count, int vector);

    /// <summary>Writes float32.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; setp.le.s32 P, $2, 0; @P bra DONE;
            setp.eq.s32 P, $3, 0; @P bra ONE; st.global.v4.f32 [$1], {$0.0, $0.1, $0.2, $0.3};
            st.global.v4.f32 [$1+16], {$0.4, $0.5, $0.6, $0.7}; bra DONE; ONE:
            setp.gt.s32 P, $2, 0; @P st.global.f32 [$1], $0.0; setp.gt.s32 P, $2, 1; @P st.global.f32 [$1+4], $0.1;
            setp.gt.s32 P, $2, 2; @P st.global.f32 [$1+8], $0.2; setp.gt.s32 P, $2, 3; @P st.global.f32 [$1+12], $0.3;
            setp.gt.s32 P, $2, 4; @P st.global.f32 [$1+16], $0.4; setp.gt.s32 P, $2, 5; @P st.global.f32 [$1+20], $0.5;
            setp.gt.s32 P, $2, 6; @P st.global.f32 [$1+24], $0.6; setp.gt.s32 P, $2, 7; @P st.global.f32 [$1+28], $0.7; DONE: }
        """)]
    public static partial void StoreSingle(Acc8 values, long target, int count, int vector);
}
