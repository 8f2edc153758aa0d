using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper;

namespace BlockQuant.Tests.Hopper;

internal sealed class PtxTests
{
    private static IEnumerable<HopperKernel> Kernels => HopperKernel.All;

    [TestCaseSource(nameof(Kernels))]
    public void Every_kernel_is_embedded(HopperKernel kernel)
    {
        string ptx = Embedded(kernel);

        ptx.Should().Contain(".target sm_90a").And.Contain($".visible .entry {kernel.Name}(");
        ptx.Should().Contain($".maxntid {kernel.Threads}, 1, 1").And.NotContain(".local").And.NotContain(".func");
        kernel.SharedBytes.Should().BeLessThanOrEqualTo(227 * 1024);
    }

#if !EMULATOR
    [Test]
    public void Ptx_is_generated_anew_as_it_is_embedded()
    {
        using var compiler = new BlockQuant.Kernels.Hopper.Compiler.HopperCompiler();

        foreach (var kernel in HopperKernel.All)
            compiler.Compile(kernel).Should().Be(Embedded(kernel), "generate-ptx embeds what ILGPU makes of {0}", kernel.Name);
    }
#endif

    private static string Embedded(HopperKernel kernel) => EmbeddedPtx.Read(kernel.Name).ReplaceLineEndings("\n");
}
