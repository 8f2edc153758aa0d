#if !EMULATOR
using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Compiler;
using BlockQuant.Kernels.Portable.Compiler;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.TensorCores.Compiler;
using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Compiler;

namespace BlockQuant.Benchmarks;

/// <summary>
/// <c>generate-ptx [REPOSITORY]</c>: writes the PTX of every kernel into the Ptx folder of its kind in BlockQuant.Kernels of the checkout (the
/// current folder unless named), and the hashes of the sources it was made of into the manifest.
/// </summary>
internal static class PtxGeneration
{
    public static int Run(string[] arguments)
    {
        string repository = arguments.FirstOrDefault() ?? ".";
        string sources = Path.Combine(repository, "BlockQuant.Kernels");
        if (!Directory.Exists(sources))
        {
            Console.Error.WriteLine($"'{sources}' does not exist; name the folder of the checkout.");
            return 2;
        }
        using var hopper = new HopperCompiler();
        Write(sources, "Hopper", HopperKernel.All.Select(kernel => (kernel.Name, hopper.Compile(kernel))));
        using var vector = new VectorCompiler();
        Write(sources, "Vector", VectorKernel.All.Values.Select(kernel => (kernel.Name, vector.Compile(kernel))));
        using var tensorCores = new TensorCoreCompiler();
        Write(sources, "TensorCores", TensorCoreKernel.All.Values.Select(kernel => (kernel.Name, tensorCores.Compile(kernel))));
        using var portable = new PortableCompiler();
        Write(sources, "Portable", OperatorKernels.All().Select(kernel => (EmbeddedPtx.EntryOf(kernel.Name), portable.Compile(kernel))));
        File.WriteAllText(Path.Combine(sources, PtxManifest.FileName), PtxManifest.Of(repository));
        return 0;
    }

    private static void Write(string sources, string kind, IEnumerable<(string Entry, string Ptx)> kernels)
    {
        string folder = Path.Combine(sources, kind, "Ptx");
        Directory.CreateDirectory(folder);
        foreach (string stale in Directory.GetFiles(folder))
            File.Delete(stale);
        int count = 0;
        foreach (var (entry, ptx) in kernels)
        {
            File.WriteAllText(Path.Combine(folder, entry + ".ptx"), ptx);
            count++;
        }
        Console.WriteLine($"{count} kernels written to {folder}.");
    }
}
#endif
