using System.Reflection;

namespace BlockQuant.Tests.Api;

/// <summary>
/// The public API is what the files beside this one say. After a change that is meant, BLOCKQUANT_UPDATE_API=1 set for this test writes them anew.
/// </summary>
[Category(SourceTree.Category)]
public sealed class PublicApiTests
{
    private static readonly Assembly[] Assemblies = [typeof(QuantizationScheme).Assembly, typeof(ComputeDevice).Assembly];

    [TestCaseSource(nameof(Assemblies))]
    public void The_public_api_is_the_approved_one(Assembly assembly)
    {
        string file = SourceTree.PathOf("BlockQuant.Tests", "Api", assembly.GetName().Name + ".txt");
        string found = PublicApi.Of(assembly);
        if (Environment.GetEnvironmentVariable("BLOCKQUANT_UPDATE_API") == "1")
        {
            File.WriteAllText(file, found);
        }

        string[] approved = File.ReadAllText(file).ReplaceLineEndings("\n").Split('\n');
        string[] lines = found.Split('\n');
        string difference = string.Join('\n', approved.Except(lines).Select(line => "- " + line).Concat(lines.Except(approved).Select(line => "+ " + line)));
        lines.Should().Equal(
            approved,
            $"{Path.GetFileName(file)} says so; if the change is meant, run: "
            + $"BLOCKQUANT_UPDATE_API=1 dotnet test BlockQuant.Tests --filter PublicApiTests. It is:\n{difference}");
    }
}
