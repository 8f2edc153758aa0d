using System.Text.RegularExpressions;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper;

namespace BlockQuant.Tests.Hopper;

internal sealed partial class PtxTests
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

    // Of what a launch passes the driver takes as much, from the first on, as a kernel has parameters.
    [TestCaseSource(nameof(Kernels))]
    public void Tensor_maps_are_those_that_a_launch_passes_first(HopperKernel kernel)
    {
        string[] maps = [.. TensorMap().Matches(Embedded(kernel)).Select(match => match.Groups[1].Value)];
        string[] passed = kernel.Name.StartsWith("fused", StringComparison.Ordinal) ? ["map_b"] : ["map_a", "map_b", "map_s", "map_c"];

        maps.Should().Equal(passed.Take(maps.Length));
    }

    [GeneratedRegex(@"\.param \.align 64 \.b8 (map_\w)\[128\]")]
    private static partial Regex TensorMap();

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
