using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// Keeps a value where it is computed: ILGPU moves pure code down to its use, into inner loops too, but leaves calls in place.
/// ILGPU takes an intrinsic's result for uniform over the warp, so a lane-dependent pinned value must never decide a branch.
/// </summary>
internal static class Pin
{
    /// <summary>Returns <paramref name="value"/>, computed here.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b32 $d, $0;")]
    public static int Int32(int value) => value;

    /// <summary>Returns <paramref name="value"/>, computed here.</summary>
    [IntrinsicImplementation]
    [Ptx("mov.b64 $d, $0;")]
    public static long Int64(long value) => value;
}
