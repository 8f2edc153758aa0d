using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>Programmatic dependent launch: a kernel's start overlaps the end of the one ahead of it in the stream.</summary>
internal static partial class DependentLaunch
{
    /// <summary>Waits until the kernels ahead have ended and their writes are visible.</summary>
    [IntrinsicImplementation]
    [Ptx("griddepcontrol.wait;")]
    public static partial void Wait();

    /// <summary>Lets the next kernel's blocks start on multiprocessors that become free.</summary>
    [IntrinsicImplementation]
    [Ptx("griddepcontrol.launch_dependents;")]
    public static partial void Trigger();
}
