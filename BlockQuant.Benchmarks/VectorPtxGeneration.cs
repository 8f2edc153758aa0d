#if !EMULATOR
using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Compiler;

namespace BlockQuant.Benchmarks;

/// <summary>Writes the PTX of the vector kernels.</summary>
internal static class VectorPtxGeneration
{
    public static int Run(string folder)
    {
        Directory.CreateDirectory(folder);
        using var compiler = new VectorCompiler();
        foreach (VectorKernel kernel in VectorKernel.All.Values)
        {
            string ptx = compiler.Compile(kernel);
            File.WriteAllText(Path.Combine(folder, kernel.Name + ".ptx"), ptx);
            Console.WriteLine($"{kernel.Name}: {ptx.Length} characters");
        }

        return 0;
    }
}
#endif
