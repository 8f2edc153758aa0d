using BlockQuant.Kernels.Hopper.Compiler;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Kernels.Vector.Compiler;

/// <summary>Compiles vector kernels to PTX for sm_89 and up through ILGPU, without a GPU.</summary>
internal sealed class VectorCompiler : IDisposable
{
    private readonly Context context;
    private readonly PTXBackend backend;

    public VectorCompiler()
    {
        context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive));
        PtxEmitter.Register(context.GetIntrinsicManager());
        backend = new PTXBackend(context, CudaArchitecture.SM_89, CudaInstructionSet.ISA_81, null!);
    }

    /// <summary>The PTX of a kernel; the same text on every machine.</summary>
    public string Compile(VectorKernel kernel)
    {
        var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Method.Method);
        var compiled = (PTXCompiledKernel)backend.Compile(entryPoint, new KernelSpecialization(kernel.Lanes, kernel.GroupsPerMultiprocessor));

        // ILGPU names no architecture above sm_80.
        string ptx = compiled.PTXAssembly.Replace(".target sm_80", ".target sm_89").Replace(compiled.Name, kernel.Name);
        return HopperCompiler.Normalize(ptx);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
