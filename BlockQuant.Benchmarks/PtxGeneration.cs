#if !EMULATOR
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Compiler;
using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Compiler;

namespace BlockQuant.Benchmarks;

/// <summary>
/// <c>generate-ptx [REPOSITORY]</c>: writes the PTX of the Hopper kernels, and the hashes of the sources it was made of, into
/// BlockQuant.Kernels/Hopper/Ptx of the checkout (the current folder unless named), and that of the vector kernels into Vector/Ptx.
/// </summary>
internal static class PtxGeneration
{
    public static int Run(string[] arguments)
    {
        string sources = Path.Combine(arguments.FirstOrDefault() ?? ".", "BlockQuant.Kernels", "Hopper");
        if (!Directory.Exists(sources))
        {
            Console.Error.WriteLine($"'{sources}' does not exist; name the folder of the checkout.");
            return 2;
        }
        string folder = Path.Combine(sources, "Ptx");
        Directory.CreateDirectory(folder);
        foreach (string stale in Directory.GetFiles(folder))
            File.Delete(stale);
        using var compiler = new HopperCompiler();
        foreach (var kernel in HopperKernel.All)
            File.WriteAllText(Path.Combine(folder, kernel.Name + ".ptx"), compiler.Compile(kernel));
        File.WriteAllText(Path.Combine(folder, PtxManifest.FileName), PtxManifest.Of(sources));
        Console.WriteLine($"{HopperKernel.All.Count} kernels written to {folder}.");

        string vectorFolder = Path.Combine(sources, "..", "Vector", "Ptx");
        using var vectorCompiler = new VectorCompiler();
        foreach (var kernel in VectorKernel.All.Values)
            File.WriteAllText(Path.Combine(vectorFolder, kernel.Name + ".ptx"), vectorCompiler.Compile(kernel));
        Console.WriteLine($"{VectorKernel.All.Count} kernels written to {vectorFolder}.");
        return 0;
    }
}
#endif
