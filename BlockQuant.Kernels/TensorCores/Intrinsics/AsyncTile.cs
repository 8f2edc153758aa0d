using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>Copies to shared memory that do not pass through registers (cp.async), in groups that are waited for in order.</summary>
internal static partial class AsyncTile
{
    /// <summary>Starts a copy of 16 bytes, or of zeros where <paramref name="enabled"/> is 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 n; setp.ne.s32 P, $2, 0; selp.b32 n, 16, 0, P; cp.async.cg.shared.global [$0], [$1], 16, n; }")]
    public static partial void Copy16(int target, long source, int enabled);

    /// <summary>Starts a copy of 4 bytes, or of zeros where <paramref name="enabled"/> is 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; .reg .b32 n; setp.ne.s32 P, $2, 0; selp.b32 n, 4, 0, P; cp.async.ca.shared.global [$0], [$1], 4, n; }")]
    public static partial void Copy4(int target, long source, int enabled);

    /// <summary>Ends a group of the copies that this lane started.</summary>
    [IntrinsicImplementation]
    [Ptx("cp.async.commit_group;")]
    public static partial void Commit();

    /// <summary>Waits until all but this lane's latest group have landed.</summary>
    [IntrinsicImplementation]
    [Ptx("cp.async.wait_group 1;")]
    public static partial void WaitForAllButOne();
}
