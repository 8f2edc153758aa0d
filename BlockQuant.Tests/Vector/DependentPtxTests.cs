using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Tests.Vector;

/// <summary>The vector kernels' PTX for GPUs with and without programmatic dependent launch.</summary>
internal sealed class DependentPtxTests
{
    private const string Trigger = "griddepcontrol.launch_dependents;", Wait = "griddepcontrol.wait;";

    private static IEnumerable<string> Kernels => VectorKernel.All.Values.Select(kernel => kernel.Name);

    [TestCaseSource(nameof(Kernels))]
    public void Gpus_without_it_get_the_embedded_text(string name)
    {
        string ptx = VectorKernels.Ptx(Named(name), major: 8);

        ptx.Should().Be(EmbeddedPtx.Read(name)).And.Contain(".target sm_89\n").And.NotContain("griddepcontrol");
    }

    [TestCaseSource(nameof(Kernels))]
    public void Gpus_with_it_wait_before_anything_else_and_start_the_next_kernel(string name)
    {
        string ptx = VectorKernels.Ptx(Named(name), major: 9);

        string[] lines = ptx.Split('\n');
        int body = Array.IndexOf(lines, "{");
        lines[(body + 1)..(body + 3)].Should().Equal("\t" + Wait, "\t" + Trigger);
        lines[..body].Should().Contain(".target sm_90").And.Contain($".visible .entry {name}(").And.NotContain(line => line.Contains(".global"));
        string rest = string.Join('\n', lines[..(body + 1)].Concat(lines[(body + 3)..]));
        rest.Replace(".target sm_90", ".target sm_89").Should().Be(EmbeddedPtx.Read(name), "nothing else differs, and each stands there once");
    }

    [Test]
    public void Later_gpus_get_the_text_of_9_0([Values(10, 12)] int major)
        => VectorKernels.Ptx(VectorKernel.Copy, major).Should().Be(VectorKernels.Ptx(VectorKernel.Copy, 9));

    private static VectorKernel Named(string name) => VectorKernel.All.Values.Single(kernel => kernel.Name == name);
}
