using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>Where a search among the lanes of a warp ended.</summary>
internal struct LaneSearch
{
    /// <summary>The lane found, or 32.</summary>
    public int Lane;

    /// <summary>The sum of the lanes below the one found.</summary>
    public int Before;

    /// <summary>The sum of all lanes.</summary>
    public int Total;
}

/// <summary>What the lanes of a warp find together; all take part, and the results are the same in all.</summary>
internal static partial class Lanes
{
    /// <summary>The lane whose count, the lanes' counts laid end to end, holds the place <paramref name="target"/>.</summary>
    /// <param name="count">This lane's count, not below 0.</param>
    /// <param name="target">The place looked for, the same in every lane.</param>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .pred p; .reg .b32 s, t, e, m; mov.b32 s, $0;
            shfl.sync.up.b32 t|p, s, 1, 0, 0xffffffff; @p add.s32 s, s, t; shfl.sync.up.b32 t|p, s, 2, 0, 0xffffffff; @p add.s32 s, s, t;
            shfl.sync.up.b32 t|p, s, 4, 0, 0xffffffff; @p add.s32 s, s, t; shfl.sync.up.b32 t|p, s, 8, 0, 0xffffffff; @p add.s32 s, s, t;
            shfl.sync.up.b32 t|p, s, 16, 0, 0xffffffff; @p add.s32 s, s, t;
            sub.s32 e, s, $0; setp.gt.s32 p, s, $1; setp.le.and.s32 p, e, $1, p;
            vote.sync.ballot.b32 m, p, 0xffffffff; brev.b32 m, m; clz.b32 m, m; mov.b32 $d.0, m;
            shfl.sync.idx.b32 $d.1, e, m, 0x1f, 0xffffffff; shfl.sync.idx.b32 $d.2, s, 31, 0x1f, 0xffffffff; }
        """)]
    public static partial LaneSearch Find(int count, int target);

    /// <summary>The value of one lane, in every lane.</summary>
    [IntrinsicImplementation]
    [Ptx("shfl.sync.idx.b32 $d, $0, $1, 0x1f, 0xffffffff;")]
    public static partial int Broadcast(int value, int lane);

    /// <summary>The values of eight neighbouring lanes, <paramref name="first"/> and on, which may differ from lane to lane.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 l; mov.b32 l, $1; shfl.sync.idx.b32 $d.0, $0, l, 0x1f, 0xffffffff; add.s32 l, l, 1; shfl.sync.idx.b32 $d.1, $0, l, 0x1f, 0xffffffff;
            add.s32 l, l, 1; shfl.sync.idx.b32 $d.2, $0, l, 0x1f, 0xffffffff; add.s32 l, l, 1; shfl.sync.idx.b32 $d.3, $0, l, 0x1f, 0xffffffff;
            add.s32 l, l, 1; shfl.sync.idx.b32 $d.4, $0, l, 0x1f, 0xffffffff; add.s32 l, l, 1; shfl.sync.idx.b32 $d.5, $0, l, 0x1f, 0xffffffff;
            add.s32 l, l, 1; shfl.sync.idx.b32 $d.6, $0, l, 0x1f, 0xffffffff; add.s32 l, l, 1; shfl.sync.idx.b32 $d.7, $0, l, 0x1f, 0xffffffff; }
        """)]
    public static partial Acc8 Neighbours(float value, int first);
}
