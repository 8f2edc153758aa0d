#if !EMULATOR
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Compiler;

namespace BlockQuant.Benchmarks;

/// <summary>Writes the PTX of the Hopper kernels.</summary>
internal static class PtxGeneration
{
    public static int Run(string[] arguments)
    {
        string folder = arguments[0];
        Directory.CreateDirectory(folder);
        using var compiler = new HopperCompiler();
        foreach (var kernel in HopperKernel.All)
        {
            string ptx = compiler.Compile(kernel);
            File.WriteAllText(Path.Combine(folder, kernel.Name + ".ptx"), ptx);
            Console.WriteLine($"{kernel.Name}: {ptx.Length} characters");
        }
        return 0;
    }
}
#endif
