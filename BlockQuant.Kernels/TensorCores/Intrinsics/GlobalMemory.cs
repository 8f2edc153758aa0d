using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Vector;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>Reads of global memory by address, without a branch where a lane has nothing to read.</summary>
internal static partial class GlobalMemory
{
    /// <summary>Four bytes where <paramref name="enabled"/> is not 0, else zeros.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 x; setp.ne.s32 P, $1, 0; mov.b32 x, 0; @P ld.global.b32 x, [$0]; mov.b32 $d, x; }")]
    public static partial int Load4(long address, int enabled);

    /// <summary>As <see cref="Load4"/>, from the second level of cache, which the writes of a kernel still running reach.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 x; setp.ne.s32 P, $1, 0; mov.b32 x, 0; @P ld.global.cg.b32 x, [$0]; mov.b32 $d, x; }")]
    public static partial int LoadCurrent4(long address, int enabled);

    /// <summary>Eight bytes where <paramref name="enabled"/> is not 0, else zeros.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 x, y; setp.ne.s32 P, $1, 0; mov.b32 x, 0; mov.b32 y, 0;
            @P ld.global.v2.b32 {x, y}, [$0]; mov.b32 $d.0, x; mov.b32 $d.1, y; }
        """)]
    public static partial Vec2 Load8(long address, int enabled);

    /// <summary>Sixteen bytes where <paramref name="enabled"/> is not 0, else zeros.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 x, y, z, w; setp.ne.s32 P, $1, 0; mov.b32 x, 0; mov.b32 y, 0; mov.b32 z, 0; mov.b32 w, 0;
            @P ld.global.v4.b32 {x, y, z, w}, [$0]; mov.b32 $d.0, x; mov.b32 $d.1, y; mov.b32 $d.2, z; mov.b32 $d.3, w; }
        """)]
    public static partial Vec4 Load16(long address, int enabled);

    /// <summary>Starts to bring the memory at an address to the second level of cache where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; setp.ne.s32 P, $1, 0; @P prefetch.global.L2 [$0]; }")]
    public static partial void Prefetch(long address, int enabled);

    /// <summary>A scale where <paramref name="enabled"/> is not 0, else 1.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .f32 x; setp.ne.s32 P, $1, 0; mov.f32 x, 0f3F800000; @P ld.global.f32 x, [$0]; mov.f32 $d, x; }")]
    public static partial float LoadScale(long address, int enabled);
}
