using System.IO.Compression;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace BlockQuant.Tests.Packages;

/// <summary>The packages, made from this build and used as a newcomer would: without the sources, without the network.</summary>
[Category(SourceTree.Category)]
public sealed class PackageTests
{
    private const string PackCommand = "./pack.sh ~/blockquant-feed";
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif
#if EMULATOR
    private const string KernelHost = "Emulator";
    private static readonly string[] Libraries = ["BlockQuant.Core", "BlockQuant.Kernels", "BlockQuant.Emulator"];
    private static readonly string[] KernelsNeed = ["BlockQuant.Core", "BlockQuant.Emulator"];
#else
    private const string KernelHost = "ILGPU";
    private static readonly string[] Libraries = ["BlockQuant.Core", "BlockQuant.Kernels"];
    private static readonly string[] KernelsNeed = ["BlockQuant.Core", "ILGPU", "ILGPU.Algorithms"];
#endif

    private Newcomer packer = null!;

    private string Feed => Path.Combine(packer.Home, "blockquant-feed");

    [OneTimeSetUp]
    public void Pack()
    {
        packer = new Newcomer();
        packer.Run($"export KernelHost={KernelHost} CONFIGURATION={Configuration}; {PackCommand} --no-build", SourceTree.Root);
    }

    [OneTimeTearDown]
    public void Remove() => packer.Dispose();

    [Test]
    public void Packages_are_the_libraries_and_the_tool()
        => Directory.GetFiles(Feed, "*.nupkg").Select(path => Path.GetFileName(path).Split(".0.")[0]).Should().BeEquivalentTo([.. Libraries, "BlockQuant.Tool"]);

    [TestCaseSource(nameof(Libraries))]
    public void A_library_has_documentation_readme_license_and_symbols(string library)
    {
        using ZipArchive package = ZipFile.OpenRead(Directory.GetFiles(Feed, library + ".0.*.nupkg").Single());
        using ZipArchive symbols = ZipFile.OpenRead(Directory.GetFiles(Feed, library + ".0.*.snupkg").Single());
        string[] files = package.Entries.Select(entry => entry.FullName).ToArray();

        files.Should().Contain([$"lib/net10.0/{library}.dll", $"lib/net10.0/{library}.xml", "README.md"]);
        symbols.Entries.Select(entry => entry.FullName).Should().Contain($"lib/net10.0/{library}.pdb");
        XElement[] nuspec = Read(package, library + ".nuspec", XDocument.Load).Descendants().ToArray();
        nuspec.Single(element => element.Name.LocalName == "license").Value.Should().Be("Apache-2.0");
        nuspec.Single(element => element.Name.LocalName == "readme").Value.Should().Be("README.md");
        nuspec.Where(element => element.Name.LocalName == "dependency").Select(element => element.Attribute("id")!.Value)
            .Should().BeEquivalentTo(library == "BlockQuant.Kernels" ? KernelsNeed : []);
    }

    [TestCaseSource(nameof(Libraries))]
    public void A_library_is_compiled_deterministically(string library)
    {
        using ZipArchive package = ZipFile.OpenRead(Directory.GetFiles(Feed, library + ".0.*.nupkg").Single());
        using PEReader assembly = Read(package, $"lib/net10.0/{library}.dll", stream => new PEReader(stream, PEStreamOptions.PrefetchEntireImage));
        DebugDirectoryEntry[] entries = [.. assembly.ReadDebugDirectory()];

        entries.Should().Contain(entry => entry.Type == DebugDirectoryEntryType.Reproducible);
#if !DEBUG
        // The path of the symbols says whether the folder of the checkout has entered the assembly.
        assembly.ReadCodeViewDebugDirectoryData(entries.Single(entry => entry.Type == DebugDirectoryEntryType.CodeView)).Path.Should().StartWith("/_/");
#endif
    }

    [Test]
    public void The_example_of_the_readme_runs_in_a_fresh_project()
    {
        using var newcomer = new Newcomer();
        string readme = File.ReadAllText(SourceTree.PathOf("README.md")).ReplaceLineEndings("\n");
        string example = readme.Split("```csharp\n")[1].Split("```")[0];

        string output = newcomer.Run(
            $$"""
            dotnet nuget add source {{Feed}} --name blockquant
            dotnet new console -o Example
            dotnet add Example package BlockQuant.Kernels --prerelease
            cat > Example/Program.cs <<'END-OF-PROGRAM'
            using BlockQuant;

            // 128 rows of 256 ones, scaled by 2: every element of the product is 2 * 256.
            byte[] codes = Enumerable.Repeat(Float8E4M3.One.Bits, 128 * 256).ToArray();
            var weight = new QuantizedMatrix(codes, 128, 256, new float[] { 2, 2 }, QuantizationScheme.Fp8Block128);
            BFloat16[] result = Run(Enumerable.Repeat(BFloat16.One, 3 * 256).ToArray(), weight, 3);
            Console.WriteLine(result.Length == 3 * 128 && result.All(value => value.ToSingle() == 512f) ? "as expected" : "wrong: " + result[0]);

            static BFloat16[] Run(BFloat16[] x, QuantizedMatrix checkpointWeight, int tokens)
            {
            {{example}}
            }
            END-OF-PROGRAM
            dotnet run --project Example
            """);

        output.Should().EndWith("as expected\n");
    }

    [Test]
    public void Every_command_of_getting_started_runs()
    {
        using var newcomer = new Newcomer();
        string script = GettingStarted.Script(File.ReadAllText(SourceTree.PathOf("docs", "getting-started.md")));
        script.Should().Contain(PackCommand + "\n");

        // Packed already, from the build under test.
        string output = newcomer.Run(script.Replace(PackCommand + "\n", $"cp -r {Feed} ~/blockquant-feed\n"), SourceTree.Root);

        output.Should().Contain("0.1.0", "the tool tells its version").And.Contain("host engine", "the tool lists devices");
        output.Should().Contain("model.layers.0.mlp.down_proj.weight").And.Contain("0 beyond the bounds");
        double error = double.Parse(output.TrimEnd().Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture);
        error.Should().BeInRange(0.03, 0.045, "the document says about 0.036");
        File.ReadAllText(Path.Combine(newcomer.Home, "report.html")).Should().Contain("<svg");
    }

    private static T Read<T>(ZipArchive archive, string name, Func<Stream, T> read)
    {
        using Stream packed = archive.GetEntry(name)!.Open();
        var whole = new MemoryStream();
        packed.CopyTo(whole);
        whole.Position = 0;
        return read(whole);
    }
}
