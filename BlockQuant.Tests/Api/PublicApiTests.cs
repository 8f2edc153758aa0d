using System.Reflection;
#if EMULATOR
using BlockQuant.Emulator;
#endif

namespace BlockQuant.Tests.Api;

/// <summary>
/// The public API is what the files beside this one say. After a change that is meant, BLOCKQUANT_UPDATE_API=1 set for this test writes them anew.
/// </summary>
[Category(SourceTree.Category)]
public sealed class PublicApiTests
{
    private static readonly Assembly[] Assemblies =
    [
        typeof(QuantizationScheme).Assembly,
        typeof(ComputeDevice).Assembly,
#if EMULATOR
        typeof(EmulatorAccelerator).Assembly,
#endif
    ];

    [TestCaseSource(nameof(Assemblies))]
    public void The_public_api_is_the_approved_one(Assembly assembly)
    {
        string file = SourceTree.PathOf("BlockQuant.Tests", "Api", assembly.GetName().Name + ".txt");
        string found = PublicApi.Of(assembly);
        if (Environment.GetEnvironmentVariable("BLOCKQUANT_UPDATE_API") == "1")
        {
            File.WriteAllText(file, found);
        }

        string approved = File.ReadAllText(file).ReplaceLineEndings("\n");
        (string[] before, string[] after) = (approved.Split('\n'), found.Split('\n'));
        IEnumerable<string> difference = before.Except(after).Select(line => "- " + line).Concat(after.Except(before).Select(line => "+ " + line));
        string because = $"{Path.GetFileName(file)} says so; if the change is meant, run: "
            + "BLOCKQUANT_UPDATE_API=1 dotnet test BlockQuant.Tests --filter PublicApiTests";
        string.Join('\n', difference).Should().BeEmpty(because);
        // The same line may stand in many types.
        found.Should().Be(approved, because);
    }
}
