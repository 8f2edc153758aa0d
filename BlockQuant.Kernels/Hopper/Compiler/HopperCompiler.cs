using System.Reflection;
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Kernels.Hopper.Compiler;

/// <summary>Compiles Hopper kernels to PTX for sm_90a through ILGPU, without a GPU.</summary>
internal sealed partial class HopperCompiler : IDisposable
{
    // In the order in which a launch passes them, of which the driver takes as many as a kernel has: dense products have those of the
    // activations' scales, but only some widths that of the output.
    private static readonly string[] Maps = ["map_a", "map_b", "map_s", "map_c"];
    private readonly Context context;
    private readonly PTXBackend backend;

    public HopperCompiler()
    {
        context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive));
        PtxEmitter.Register(context.GetIntrinsicManager());
        backend = new PTXBackend(context, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, null!);
    }

    /// <summary>The PTX of a kernel; the same text on every machine.</summary>
    public string Compile(HopperKernel kernel)
    {
        var method = kernel.Type.GetMethod(kernel.Method, BindingFlags.Public | BindingFlags.Static)!;
        var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(method);
        var compiled = (PTXCompiledKernel)backend.Compile(entryPoint, new KernelSpecialization(kernel.Threads, kernel.BlocksPerMultiprocessor));
        return Finish(compiled.PTXAssembly, compiled.Name, kernel.Name);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }

    // What ILGPU cannot express: the architecture, the version that has an instruction, dynamic shared memory aligned for the swizzle, tensor
    // maps as grid constants behind the kernel's own parameters, and the registers of the unscaled product.
    private static string Finish(string ptx, string compiledName, string name)
    {
        ptx = Target().Replace(ptx, ".target sm_90a").Replace(compiledName, name);
        ptx = ptx.Replace(".address_size 64", ".address_size 64\n.extern .shared .align 1024 .b8 dynamic_shared[];");
        string maps = string.Concat(Maps.Where(map => ptx.Contains(map)).Select(map => $",\n\t.param .align 64 .b8 {map}[128]"));
        ptx = ParametersEnd().Replace(ptx, $"$1{maps}\n)", 1);
        int fields = ProductField().Matches(ptx).Select(match => int.Parse(match.Groups[1].Value) + 1).DefaultIfEmpty(0).Max();
        if (fields > 0)
        {
            string rows = RowsParameter().Match(ptx, ptx.IndexOf(".visible .entry", StringComparison.Ordinal)).Value;
            var (type, zero) = ptx.Contains(ComposedPtx.Int8Product) ? ("b32", "0") : ("f32", "0f00000000");
            string zeros = string.Concat(Enumerable.Range(0, fields).Select(i => $"\n\tmov.{type} {ComposedPtx.ProductRegisters}{i}, {zero};"));
            ptx = BodyStart().Replace(ptx, $$"""
                $0
                	.reg .pred {{ComposedPtx.KeepPredicate}}; .reg .b32 rows_again; .reg .{{type}} {{ComposedPtx.ProductRegisters}}<{{fields}}>;
                	ld.param.b32 rows_again, [{{rows}}]; setp.lt.s32 {{ComposedPtx.KeepPredicate}}, rows_again, 0;{{zeros}}
                """, 1);
        }
        if (ptx.Contains(ComposedPtx.AsyncStore))
            ptx = ptx.Replace(".version 8.0", ".version 8.1");
        return Normalize(ptx);
    }

    // ILGPU numbers labels and parameters through all that a context compiles, and writes the intrinsics as functions that are
    // never called.
    internal static string Normalize(string ptx)
    {
        ptx = Function().Replace(Comment().Replace(ptx.ReplaceLineEndings("\n"), ""), "");
        var labels = new Dictionary<string, string>();
        ptx = Label().Replace(ptx, match =>
        {
            if (!labels.TryGetValue(match.Value, out string? label))
                labels.Add(match.Value, label = $"L{labels.Count}");
            return label;
        });
        ptx = Parameter().Replace(ptx, "$1");
        return BlankLines().Replace(ptx, "\n");
    }

    [GeneratedRegex(@"\.target sm_\d+")]
    private static partial Regex Target();

    [GeneratedRegex(@"(\.visible \.entry [^{]*?)\n\)")]
    private static partial Regex ParametersEnd();

    [GeneratedRegex(@"\.visible \.entry [^{]*\{")]
    private static partial Regex BodyStart();

    [GeneratedRegex(@"\bproduct(\d+)\b")]
    private static partial Regex ProductField();

    [GeneratedRegex(@"^//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\.visible \.func [^;{]*(?:;|\{.*?\n\})", RegexOptions.Singleline)]
    private static partial Regex Function();

    [GeneratedRegex(@"\bL_\d+\b")]
    private static partial Regex Label();

    [GeneratedRegex(@"\b_(\w+?)_\d+\b")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"\n\s*\n")]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"_rows_\d+")]
    private static partial Regex RowsParameter();
}
