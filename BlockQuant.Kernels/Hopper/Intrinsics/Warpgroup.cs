using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Warp and warpgroup positions, register hand-over between warpgroups, and barriers among some of a block's warps.</summary>
internal static partial class Warpgroup
{
    /// <summary>This thread's warpgroup (128 threads); the same register in every lane, so branches on it stay uniform.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b32 t; mov.u32 t, %tid.x; shr.u32 t, t, 7; shfl.sync.idx.b32 $d, t, 0, 0x1f, 0xffffffff; }")]
    public static partial int Index();

    /// <summary>
    /// This thread's lane of its warp, kept in a register: ptxas reads what it takes from the thread's index anew wherever it is used, which
    /// takes some fifty cycles. Never decides a branch: ILGPU takes an intrinsic's result for uniform over the warp.
    /// </summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b32 t; mov.u32 t, %laneid; shfl.sync.idx.b32 $d, t, t, 0x1f, 0xffffffff; }")]
    public static partial int Lane();

    /// <summary>This thread's warp, as <see cref="Index"/>.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b32 t; mov.u32 t, %tid.x; shr.u32 t, t, 5; shfl.sync.idx.b32 $d, t, 0, 0x1f, 0xffffffff; }")]
    public static partial int Warp();

    /// <summary>Gives registers above <paramref name="count"/> a thread back to the block's pool.</summary>
    [IntrinsicImplementation]
    [Ptx("setmaxnreg.dec.sync.aligned.u32 $0;")]
    public static partial void ReleaseRegisters(int count);

    /// <summary>Takes registers from the block's pool until each thread has <paramref name="count"/>.</summary>
    [IntrinsicImplementation]
    [Ptx("setmaxnreg.inc.sync.aligned.u32 $0;")]
    public static partial void TakeRegisters(int count);

    /// <summary>Waits for the other lanes of the warp.</summary>
    [IntrinsicImplementation]
    [Ptx("bar.warp.sync 0xffffffff;")]
    public static partial void SyncWarp();

    /// <summary>Waits for all <paramref name="threads"/> threads that use <paramref name="barrier"/> (0 to 15).</summary>
    [IntrinsicImplementation]
    [Ptx("bar.sync $0, $1;")]
    public static partial void Sync(int barrier, int threads);
}
