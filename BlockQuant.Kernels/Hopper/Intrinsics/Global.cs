using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Integers in global memory by address.</summary>
internal static partial class Global
{
    /// <summary>The integer at an address that is the same in every lane.</summary>
    [IntrinsicImplementation]
    [Ptx("ld.global.b32 $d, [$0];")]
    public static partial int Int32(long address);

    /// <summary>How many lanes of the warp find an integer of at most <paramref name="value"/> at their own address.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred P; .reg .b32 x; ld.global.b32 x, [$0]; setp.le.s32 P, x, $1;
            vote.sync.ballot.b32 x, P, 0xffffffff; popc.b32 $d, x; }
        """)]
    public static partial int CountAtMost(long address, int value);
}
