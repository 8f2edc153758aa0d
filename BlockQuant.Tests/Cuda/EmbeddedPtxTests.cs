using BlockQuant.Kernels;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Tests.Cuda;

/// <summary>The PTX that the assembly carries is there for every kernel, and that of the kernels' present code.</summary>
internal sealed class EmbeddedPtxTests
{
    private static IEnumerable<Kernel> Kernels => OperatorKernels.All();

    [Test, Category("Source")]
    public void Ptx_was_generated_from_the_sources_as_they_are()
    {
        string root = RepositoryRoot();
        string[] recorded = File.ReadAllLines(Path.Combine(root, "BlockQuant.Kernels", PtxManifest.FileName));

        string[] changed = [.. PtxManifest.Of(root).Split('\n', StringSplitOptions.RemoveEmptyEntries).Except(recorded).Select(line => line[66..])];

        changed.Should().BeEmpty("a kernel has changed; run: dotnet run --project BlockQuant.Benchmarks -p:KernelHost=ILGPU -- generate-ptx");
        PtxManifest.Of(root).Should().Be(string.Concat(recorded.Select(line => line + "\n")), "no file of the manifest is gone");
    }

    [Test]
    public void Kernels_of_every_operator_are_found()
    {
        Kernels.Should().HaveCountGreaterThan(150).And.OnlyHaveUniqueItems(kernel => kernel.Name);
        Kernels.Select(kernel => kernel.Code.DeclaringType!.Name).Distinct().Should().BeEquivalentTo(
            typeof(Kernel).Assembly.GetTypes()
                .Where(type => type.Namespace == "BlockQuant.Kernels.Portable" && type.Name.EndsWith("Kernel", StringComparison.Ordinal))
                .Select(type => type.Name)
                .Except([nameof(ExpertPlacesKernel)]), "that one is embedded among Hopper's");
    }

    [TestCaseSource(nameof(Kernels))]
    public void Every_kernel_of_the_operators_is_embedded_for_any_gpu(Kernel kernel)
    {
        string ptx = EmbeddedPtx.Read(EmbeddedPtx.EntryOf(kernel.Name));

        ptx.Should().Contain($".visible .entry {EmbeddedPtx.EntryOf(kernel.Name)}(").And.Contain(".target sm_70\n");
        ptx.Should().NotContain(".func", "functions are inlined").And.NotContain(".local");
    }

    [Test]
    public void A_kernel_without_ptx_is_named()
    {
        FluentActions.Invoking(() => EmbeddedPtx.Read("NoKernel"))
            .Should().Throw<KernelUnavailableException>().WithMessage("*'NoKernel'*").Which.KernelName.Should().Be("NoKernel");
    }

#if !EMULATOR
    [Test]
    public void Ptx_is_generated_anew_as_it_is_embedded()
    {
        using var compiler = new BlockQuant.Kernels.Portable.Compiler.PortableCompiler();
        foreach (Kernel kernel in Kernels)
        {
            string embedded = EmbeddedPtx.Read(EmbeddedPtx.EntryOf(kernel.Name)).ReplaceLineEndings("\n");
            (compiler.Compile(kernel) == embedded).Should().BeTrue($"{kernel.Name} has changed; generate its PTX anew");
        }
    }
#endif

    private static string RepositoryRoot()
    {
        foreach (string start in new[] { AppContext.BaseDirectory, Environment.CurrentDirectory })
        {
            for (var folder = new DirectoryInfo(start); folder != null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "BlockQuant.sln")))
                {
                    return folder.FullName;
                }
            }
        }

        throw new DirectoryNotFoundException("The tests neither lie in a checkout of the repository nor run in one.");
    }
}
