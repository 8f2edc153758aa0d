using BlockQuant.Host;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Host;
using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// The device seam over the host engine: memory of the processor's accelerator, and the engine in place of every kernel that it has. A kernel
/// that it lacks runs on the accelerator.
/// </summary>
/// <remarks>Work is done when its call returns, so every stream is in order.</remarks>
internal sealed partial class HostDevice
{
    /// <summary>Its name: what it computes with.</summary>
    public static string Title { get; } = $"host engine ({HostVectors.Name}, {Environment.ProcessorCount} cores)";

    /// <summary>The accelerator lends its memory, which is the machine's.</summary>
    private static DeviceTraits Describe(DeviceTraits accelerator)
        => accelerator with { Name = Title, MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes };

    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel)
        => HostKernels.Find(kernel) is { } host ? new Launcher<TArguments>(host) : base.Load(kernel);

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
    {
        if (launcher is Launcher<TArguments> host)
        {
            host(arguments);
        }
        else
        {
            base.Run(launcher, shape, arguments, stream);
        }
    }

    /// <summary>A type of its own, so that it is not taken for a launcher of the accelerator.</summary>
    private delegate void Launcher<TArguments>(TArguments arguments);
}
