using System.Runtime.CompilerServices;

namespace BlockQuant.Kernels.Cuda;

/// <summary>A portable kernel, compiled by the driver from its embedded PTX.</summary>
internal sealed unsafe class EmbeddedKernel
{
    private readonly CudaModule module;

    private EmbeddedKernel(CudaModule module) => this.module = module;

    /// <summary>Launches the kernel in a driver's stream.</summary>
    public delegate void Launcher<TArguments>(LaunchShape shape, in TArguments arguments, IntPtr stream)
        where TArguments : struct, IKernelArguments;

    /// <summary>Loads a kernel into the calling thread's current context.</summary>
    /// <exception cref="KernelUnavailableException">The assembly carries no PTX of it.</exception>
    /// <exception cref="DeviceException">The driver cannot compile it.</exception>
    public static EmbeddedKernel Load(Kernel kernel)
    {
        string entry = EmbeddedPtx.EntryOf(kernel.Name);
        return new EmbeddedKernel(CudaModule.Load(EmbeddedPtx.Read(entry), entry, sharedBytes: 0, maySpill: true));
    }

    /// <inheritdoc cref="Launcher{TArguments}"/>
    [SkipLocalsInit]
    public void Launch<TArguments>(LaunchShape shape, in TArguments arguments, IntPtr stream)
        where TArguments : struct, IKernelArguments
    {
        byte* bytes = stackalloc byte[ArgumentBlock.Capacity];
        var block = new ArgumentBlock(new Span<byte>(bytes, ArgumentBlock.Capacity));
        block.Add(arguments);
        void* parameter = bytes;
        CudaDriver.Check(CudaDriver.cuLaunchKernel(
            module.Function, (uint)shape.Groups, (uint)shape.GroupsY, 1, (uint)shape.Lanes, 1, 1, sharedBytes: 0, stream, &parameter, null));
    }
}
