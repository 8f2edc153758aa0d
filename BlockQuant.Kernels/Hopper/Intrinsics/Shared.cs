using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>The block's dynamic shared memory by 32-bit address, and copies of a warp's staged output from it to global memory.</summary>
internal static partial class Shared
{
    /// <summary>The first address; a multiple of 1024.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.u32 $d, dynamic_shared;")]
    public static partial int Base();

    /// <summary>Bytes of it, as the launch asked for.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.u32 $d, %dynamic_smem_size;")]
    public static partial int Bytes();

    /// <summary>One float32.</summary>
    [IntrinsicImplementation]
    [Ptx("ld.shared.f32 $d, [$0];")]
    public static partial float Single(int address);

    /// <summary>Four float32 at a 16-byte aligned address.</summary>
    [IntrinsicImplementation]
    [Ptx("ld.shared.v4.f32 {$d.0, $d.1, $d.2, $d.3}, [$0];")]
    public static partial Acc4 Four(int address);

    /// <summary>One 32-bit integer.</summary>
    [IntrinsicImplementation]
    [Ptx("ld.shared.b32 $d, [$0];")]
    public static partial int Int32(int address);

    /// <summary>Zeroes 16 bytes.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b32 z; mov.u32 z, 0; st.shared.v4.b32 [$0], {z,z,z,z}; }")]
    public static partial void Clear(int address);

    /// <summary>Writes 8 bytes.</summary>
    [IntrinsicImplementation]
    [Ptx("st.shared.v2.b32 [$0], {$1, $2};")]
    public static partial void Store8(int address, int low, int high);

    /// <summary>Writes 4 bytes where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; setp.ne.s32 P, $2, 0; @P st.shared.b32 [$0], $1; }")]
    public static partial void Store4(int address, int value, int enabled);

    /// <summary>Lets the tensor cores and the copy engine see what this thread has written, once other threads know of it.</summary>
    [IntrinsicImplementation]
    [Ptx("fence.proxy.async.shared::cta;")]
    public static partial void Publish();

    /// <summary>
    /// Writes 16 staged rows of 128 bytes, swizzled by <see cref="Epilogue"/>, to global memory: each lane 16 bytes of rows
    /// 0, 4, 8 and 12 after its own.
    /// </summary>
    /// <param name="source">Shared address of this lane's 16 bytes in its first row.</param>
    /// <param name="target">Global address of the same; 16-byte aligned.</param>
    /// <param name="pitch">Bytes between global rows four apart.</param>
    /// <param name="rows">Rows that exist from this lane's first row on, 0 where the lane's column does not exist.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b64 g; .reg .b32 o; .reg .b32 a<4>, b<4>, c<4>, e<4>;
            xor.b32 o, $0, 64;
            ld.shared.v4.b32 {a0,a1,a2,a3}, [$0]; ld.shared.v4.b32 {b0,b1,b2,b3}, [o+512];
            ld.shared.v4.b32 {c0,c1,c2,c3}, [$0+1024]; ld.shared.v4.b32 {e0,e1,e2,e3}, [o+1536];
            setp.gt.s32 P, $3, 0; @P st.global.v4.b32 [$1], {a0,a1,a2,a3};
            add.s64 g, $1, $2; setp.gt.s32 P, $3, 4; @P st.global.v4.b32 [g], {b0,b1,b2,b3};
            add.s64 g, g, $2; setp.gt.s32 P, $3, 8; @P st.global.v4.b32 [g], {c0,c1,c2,c3};
            add.s64 g, g, $2; setp.gt.s32 P, $3, 12; @P st.global.v4.b32 [g], {e0,e1,e2,e3}; }
        """)]
    public static partial void CopyRows(int source, long target, long pitch, int rows);

    /// <summary>As <see cref="CopyRows"/>, for what <see cref="Epilogue.StageSwappedSingle"/> staged: the two elements of every pair change places.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b64 g; .reg .b32 o; .reg .b32 a<4>, b<4>, c<4>, e<4>;
            xor.b32 o, $0, 64;
            ld.shared.v4.b32 {a0,a1,a2,a3}, [$0]; ld.shared.v4.b32 {b0,b1,b2,b3}, [o+512];
            ld.shared.v4.b32 {c0,c1,c2,c3}, [$0+1024]; ld.shared.v4.b32 {e0,e1,e2,e3}, [o+1536];
            setp.gt.s32 P, $3, 0; @P st.global.v4.b32 [$1], {a1,a0,a3,a2};
            add.s64 g, $1, $2; setp.gt.s32 P, $3, 4; @P st.global.v4.b32 [g], {b1,b0,b3,b2};
            add.s64 g, g, $2; setp.gt.s32 P, $3, 8; @P st.global.v4.b32 [g], {c1,c0,c3,c2};
            add.s64 g, g, $2; setp.gt.s32 P, $3, 12; @P st.global.v4.b32 [g], {e1,e0,e3,e2}; }
        """)]
    public static partial void CopySwappedRows(int source, long target, long pitch, int rows);

    /// <summary>Writes four staged neighbours of 2 bytes to global memory, or the first <paramref name="count"/> of them.</summary>
    /// <param name="source">Shared address of the first, a multiple of 8.</param>
    /// <param name="target">Global address of the first.</param>
    /// <param name="count">How many exist.</param>
    /// <param name="whole">Not 0 writes all four at once: the address must be a multiple of their size.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P, V; .reg .b16 x<4>; .reg .b32 y<2>; setp.ne.s32 V, $3, 0;
            ld.shared.v2.b32 {y0, y1}, [$0]; mov.b32 {x0, x1}, y0; mov.b32 {x2, x3}, y1;
            @V st.global.v2.b32 [$1], {y0, y1};
            setp.gt.and.s32 P, $2, 0, !V; @P st.global.b16 [$1], x0; setp.gt.and.s32 P, $2, 1, !V; @P st.global.b16 [$1+2], x1;
            setp.gt.and.s32 P, $2, 2, !V; @P st.global.b16 [$1+4], x2; setp.gt.and.s32 P, $2, 3, !V; @P st.global.b16 [$1+6], x3; }
        """)]
    public static partial void CopyFour(int source, long target, int count, int whole);

    /// <summary>Writes one staged 2-byte element to global memory where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b16 x; setp.ne.s32 P, $2, 0; ld.shared.b16 x, [$0]; @P st.global.b16 [$1], x; }")]
    public static partial void Copy2(int source, long target, int enabled);

    /// <summary>Writes one staged 4-byte element to global memory where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 x; setp.ne.s32 P, $2, 0; ld.shared.b32 x, [$0]; @P st.global.b32 [$1], x; }")]
    public static partial void Copy4(int source, long target, int enabled);
}
