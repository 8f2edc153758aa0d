#if !EMULATOR
using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Compiler;

namespace BlockQuant.Tests.Vector;

/// <summary>The embedded PTX is that of the kernels' present code.</summary>
public sealed class VectorPtxTests
{
    [Test]
    public void Every_kernel_has_the_ptx_of_its_code()
    {
        using var compiler = new VectorCompiler();
        foreach (VectorKernel kernel in VectorKernel.All.Values)
        {
            string ptx = compiler.Compile(kernel);
            (ptx == EmbeddedPtx.Read(kernel.Name)).Should().BeTrue($"{kernel.Name} has changed; generate its PTX anew");
            ptx.Should().NotContain(".local", kernel.Name);
        }
    }
}
#endif
