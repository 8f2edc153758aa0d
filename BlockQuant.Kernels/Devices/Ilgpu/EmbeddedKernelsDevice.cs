using BlockQuant.Kernels;
using BlockQuant.Kernels.Cuda;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The memory and streams of an ILGPU CUDA accelerator, and the portable kernels that the assembly carries as PTX.</summary>
internal sealed class EmbeddedKernelsDevice(Accelerator accelerator, Context owned) : IlgpuDevice(accelerator, owned)
{
    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel)
    {
        BindCudaStream(DefaultStream);
        return (EmbeddedKernel.Launcher<TArguments>)EmbeddedKernel.Load(kernel).Launch;
    }

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
        => ((EmbeddedKernel.Launcher<TArguments>)launcher)(shape, arguments, BindCudaStream(stream));
}
