using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>Sums of a warp's tile in shared memory, by 32-bit address.</summary>
internal static partial class SharedSums
{
    /// <summary>Writes two neighbours to an 8-byte aligned address.</summary>
    [IntrinsicImplementation]
    [Ptx("st.shared.v2.f32 [$0], {$1, $2};")]
    public static partial void Store2(int address, float first, float second);

    /// <summary>Writes four neighbours to a 16-byte aligned address.</summary>
    [IntrinsicImplementation]
    [Ptx("st.shared.v4.f32 [$0], {$1.0, $1.1, $1.2, $1.3};")]
    public static partial void Store4(int address, Acc4 values);

    /// <summary>Four float32 at <paramref name="address"/> and every <paramref name="stride"/> bytes on, added in this order.</summary>
    /// <param name="address">The first address, a multiple of 16.</param>
    /// <param name="stride">Bytes from one to the next, a multiple of 16.</param>
    /// <param name="count">How many there are: 1, 2, 4 or 8.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 a; .reg .f32 s<4>, t<4>; mov.b32 a, $0; ld.shared.v4.f32 {s0,s1,s2,s3}, [a];
            setp.lt.s32 P, $2, 2; @P bra DONE; add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            setp.lt.s32 P, $2, 4; @P bra DONE; add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            setp.lt.s32 P, $2, 8; @P bra DONE; add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            add.s32 a, a, $1;
            ld.shared.v4.f32 {t0,t1,t2,t3}, [a]; add.f32 s0, s0, t0; add.f32 s1, s1, t1; add.f32 s2, s2, t2; add.f32 s3, s3, t3;
            DONE: mov.f32 $d.0, s0; mov.f32 $d.1, s1; mov.f32 $d.2, s2; mov.f32 $d.3, s3; }
        """)]
    public static partial Acc4 Add(int address, int stride, int count);
}
