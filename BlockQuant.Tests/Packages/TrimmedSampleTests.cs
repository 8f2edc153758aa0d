#if EMULATOR
namespace BlockQuant.Tests.Packages;

/// <summary>The sample for apps compiled ahead of time, trimmed as they are; a warning of the trimmer is an error.</summary>
[Category(SourceTree.Category)]
public sealed class TrimmedSampleTests
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif
    private const string Properties = $"-c {Configuration} -p:KernelHost=Emulator -p:NuGetAudit=false -v q --nologo";
    private const string Library = "BlockQuant.Core.dll";

    [Test]
    public void The_ahead_of_time_sample_finds_its_result_right()
    {
        using var folder = new TemporaryFolder();
        string app = folder.File("app");
        (int exitCode, string output, string error) = Shell.Run($"dotnet publish samples/NativeAot {Properties} -p:PublishMode=Trimmed -o {app}", SourceTree.Root);
        if (output.Contains("error NU1", StringComparison.Ordinal))
        {
            // Trimming takes packages of the SDK's own, which neither this machine nor its feed has.
            (exitCode, output, error) = Shell.Run($"dotnet build samples/NativeAot {Properties} -o {app}", SourceTree.Root);
        }
        else
        {
            long whole = new FileInfo(Path.Combine(AppContext.BaseDirectory, Library)).Length;
            new FileInfo(Path.Combine(app, Library)).Length.Should().BeLessThan(whole / 2, "the sample uses a part of the library");
        }

        exitCode.Should().Be(0, output + error);
        (exitCode, output, error) = Shell.Run("./NativeAot", app);
        exitCode.Should().Be(0, output + error);
        output.Should().Contain("token groups").And.Contain("right").And.NotContain("WRONG");
    }
}
#endif
