using BlockQuant.Kernels.Vector;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Integers in global memory by address.</summary>
internal static partial class Global
{
    /// <summary>The integer at an address that is the same in every lane.</summary>
    [IntrinsicImplementation]
    [Ptx("ld.global.b32 $d, [$0];")]
    public static partial int Int32(long address);

    /// <summary>Eight 16-bit elements at a 16-byte aligned address, or zeros where <paramref name="left"/> is not positive.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; setp.gt.s32 P, $1, 0; mov.b32 $d.0, 0; mov.b32 $d.1, 0; mov.b32 $d.2, 0; mov.b32 $d.3, 0;
            @P ld.global.v4.b32 {$d.0,$d.1,$d.2,$d.3}, [$0]; }
        """)]
    public static partial Vec4 Eight(long address, int left);

    /// <summary>Brings the line that an address is in to the L2 cache where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; setp.ne.s32 P, $1, 0; @P prefetch.global.L2 [$0]; }")]
    public static partial void Prefetch(long address, int enabled);

    /// <summary>How many lanes of the warp find an integer of at most <paramref name="value"/> at their own address.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 x; ld.global.b32 x, [$0]; setp.le.s32 P, x, $1;
            vote.sync.ballot.b32 x, P, 0xffffffff; popc.b32 $d, x; }
        """)]
    public static partial int CountAtMost(long address, int value);
}
