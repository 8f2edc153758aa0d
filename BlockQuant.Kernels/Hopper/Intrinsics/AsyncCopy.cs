using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Per-lane copies from global to shared memory that do not pass through registers (cp.async).</summary>
internal static partial class AsyncCopy
{
    /// <summary>Starts a copy of 4 bytes where <paramref name="enabled"/> is not 0.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .pred P; setp.ne.s32 P, $2, 0; @P cp.async.ca.shared.global [$0], [$1], 4; }")]
    public static partial void Copy4(int target, long source, int enabled);
}
