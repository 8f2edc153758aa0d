using System.Text.RegularExpressions;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests;

/// <summary>What the documents link to is there, and their code compiles and runs.</summary>
[Category(SourceTree.Category)]
public sealed partial class DocumentTests
{
    private static IEnumerable<string> Documents()
        => Directory.GetFiles(SourceTree.PathOf("docs"), "*.md", SearchOption.AllDirectories).Append(SourceTree.PathOf("README.md"))
            .Select(path => Path.GetRelativePath(SourceTree.Root, path));

    [TestCaseSource(nameof(Documents))]
    public void Every_link_leads_somewhere(string document)
    {
        string path = SourceTree.PathOf(document);
        IEnumerable<string> targets = Link().Matches(File.ReadAllText(path)).Select(link => link.Groups[1].Value.Split('#')[0]);

        targets.Where(target => target.Length > 0 && !target.StartsWith("https://", StringComparison.Ordinal))
            .Where(target => !Path.Exists(Path.Combine(Path.GetDirectoryName(path)!, target)))
            .Should().BeEmpty();
    }

    [Test]
    public void Every_example_is_one_that_compiles()
    {
        string code = File.ReadAllText(SourceTree.PathOf("BlockQuant.Tests", "DocumentExamples.cs"));
        MatchCollection examples = Example().Matches(code);

        examples.Should().HaveCount(code.Split("// begin").Length - 1).And.NotBeEmpty();
        foreach (Match example in examples)
        {
            Normal(File.ReadAllText(SourceTree.PathOf("docs", example.Groups[1].Value))).Should().Contain(Normal(example.Groups[2].Value));
        }
    }

    [Test]
    public void Tuned_plans_are_stored_and_used_as_the_document_says()
    {
        using var folder = new TemporaryFolder();
        using ComputeDevice device = TestDevice.Open();
        string file = folder.File("plans.json");

        DocumentExamples.Tune(device, file, [1, 3], 128, 128);
        TunedPlans found = device.Plans!;
        device.Plans = null;
        DocumentExamples.Use(device, file);

        found.Count.Should().Be(4);
        device.Plans!.Find(3, 128, 128).Should().NotBeNull().And.Be(found.Find(3, 128, 128));
        device.Plans.Find(3, 128, 128, ElementFormat.Int8).Should().NotBeNull().And.Be(found.Find(3, 128, 128, ElementFormat.Int8));
    }

    [Test]
    public void A_fault_that_only_the_device_knows_is_read_as_the_document_says()
    {
        ComputeDevice device = TestDevice.Shared;
        using DeviceMatrix<int> expertIds = device.Upload<int>([0, 1, 2, 0, 1, 2, 0, 3], 4, 2);
        using var table = new ExpertRoutingTable(device, 4, 2, 3);

        DeviceFault fault = DocumentExamples.Status(device, expertIds, table);

        fault.Code.Should().Be(DeviceStatusCode.ExpertOutOfRange);
        fault.ToString().Should().Be("expert id 3 at 7; expected 0 to 2");
    }

    private static string Normal(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()));

    [GeneratedRegex(@"// begin (\S+)\s(.*?)// end", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
