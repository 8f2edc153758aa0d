using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.TensorCores;

namespace BlockQuant.Tests.Hopper;

/// <summary>The embedded PTX of the kernels for warp-level tensor cores.</summary>
internal sealed class TensorCorePtxTests
{
    private static IEnumerable<TensorCoreKernel> Kernels => TensorCoreKernel.All.Values;

    [TestCaseSource(nameof(Kernels))]
    public void Every_kernel_is_embedded(TensorCoreKernel kernel)
    {
        string ptx = EmbeddedPtx.Read(kernel.Name);

        ptx.Should().Contain($".target sm_{kernel.Architecture}\n").And.Contain($".visible .entry {kernel.Name}(");
        ptx.Should().Contain($".maxntid {kernel.Lanes}, 1, 1").And.NotContain(".local").And.NotContain(".func");
        kernel.SharedBytes.Should().BeLessThanOrEqualTo(99 * 1024, "GPUs of compute capability 8.9 have no more");
    }

    [Test]
    public void Only_kernels_for_9_0_wait_for_the_kernels_ahead()
    {
        foreach (TensorCoreKernel kernel in Kernels)
        {
            EmbeddedPtx.Read(kernel.Name).Contains("griddepcontrol.wait").Should().Be(kernel.Architecture >= 90, kernel.Name);
        }
    }

#if !EMULATOR
    [Test]
    public void Ptx_is_generated_anew_as_it_is_embedded()
    {
        using var compiler = new BlockQuant.Kernels.TensorCores.Compiler.TensorCoreCompiler();

        foreach (TensorCoreKernel kernel in Kernels)
        {
            compiler.Compile(kernel).Should().Be(
                EmbeddedPtx.Read(kernel.Name).ReplaceLineEndings("\n"), "generate-ptx embeds what ILGPU makes of {0}", kernel.Name);
        }
    }
#endif
}
