using BlockQuant.Kernels.Hopper;

namespace BlockQuant.Tests.Hopper;

internal sealed class PtxTests
{
    private static readonly string Sources = Path.Combine(RepositoryRoot(), "BlockQuant.Kernels", "Hopper");

    private static IEnumerable<HopperKernel> Kernels => HopperKernel.All;

    [Test, Category("Source")]
    public void Embedded_ptx_was_generated_from_the_sources_as_they_are()
    {
        string manifest = File.ReadAllText(Path.Combine(Sources, "Ptx", PtxManifest.FileName)).ReplaceLineEndings("\n");

        manifest.Should().Be(
            PtxManifest.Of(Sources),
            "a Hopper kernel has changed; run: dotnet run --project BlockQuant.Benchmarks -p:KernelHost=ILGPU -- generate-ptx");
    }

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

    private static string Embedded(HopperKernel kernel)
    {
        using var stream = typeof(HopperKernel).Assembly.GetManifestResourceStream($"BlockQuant.Ptx.{kernel.Name}.ptx")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    private static string RepositoryRoot()
    {
        foreach (string start in new[] { AppContext.BaseDirectory, Environment.CurrentDirectory })
        {
            for (var folder = new DirectoryInfo(start); folder != null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "BlockQuant.sln")))
                    return folder.FullName;
            }
        }
        throw new DirectoryNotFoundException("The tests neither lie in a checkout of the repository nor run in one.");
    }
}
