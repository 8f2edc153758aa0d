using System.Text.RegularExpressions;
using BlockQuant.Kernels.Hopper.Compiler;
using BlockQuant.Kernels.TensorCores.Lora;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Kernels.TensorCores.Compiler;

/// <summary>Compiles the kernels of warp-level tensor cores to PTX through ILGPU, without a GPU.</summary>
internal sealed partial class TensorCoreCompiler : IDisposable
{
    private readonly Context context;
    private readonly PTXBackend backend;

    public TensorCoreCompiler()
    {
        context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive));
        PtxEmitter.Register(context.GetIntrinsicManager());
        backend = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_84, null!);
    }

    /// <summary>The PTX of a kernel; the same text on every machine.</summary>
    public string Compile(TensorCoreKernel kernel)
    {
        var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Method.Method);
        var compiled = (PTXCompiledKernel)backend.Compile(entryPoint, new KernelSpecialization(kernel.Lanes, kernel.GroupsPerMultiprocessor));

        // What ILGPU cannot express: the architecture, dynamic shared memory, and a parameter that is read at an offset known on the device alone.
        string ptx = Target().Replace(compiled.PTXAssembly, $".target sm_{kernel.Architecture}").Replace(compiled.Name, kernel.Name);
        ptx = ptx.Replace(".address_size 64", ".address_size 64\n.extern .shared .align 128 .b8 dynamic_shared[];");
        if (kernel.HasSlices)
        {
            ptx = ParametersEnd().Replace(ptx, $"$1,\n\t.param .align 8 .b8 {SliceParameter.Name}[{SliceParameter.Bytes * SliceParameter.Capacity}]\n)", 1);
        }

        return HopperCompiler.Normalize(ptx);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }

    [GeneratedRegex(@"\.target sm_\d+")]
    private static partial Regex Target();

    [GeneratedRegex(@"(\.visible \.entry [^{]*?)\n\)")]
    private static partial Regex ParametersEnd();
}
