using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper.Compiler;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Kernels.Portable.Compiler;

/// <summary>Compiles portable kernels through ILGPU, without a GPU, to PTX that every GPU from sm_70 on can load.</summary>
internal sealed class PortableCompiler : IDisposable
{
    private readonly Context context;
    private readonly PTXBackend backend;

    public PortableCompiler()
    {
        context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive));
        backend = new PTXBackend(context, CudaArchitecture.SM_70, CudaInstructionSet.ISA_60, null!);
    }

    /// <summary>The PTX of a kernel; the same text on every machine.</summary>
    public string Compile(Kernel kernel)
    {
        var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Code);
        var compiled = (PTXCompiledKernel)backend.Compile(entryPoint, KernelSpecialization.Empty);
        return HopperCompiler.Normalize(compiled.PTXAssembly.Replace(compiled.Name, EmbeddedPtx.EntryOf(kernel.Name)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
