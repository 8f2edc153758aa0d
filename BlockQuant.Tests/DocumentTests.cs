using System.Text.RegularExpressions;

namespace BlockQuant.Tests;

/// <summary>What the documents link to is there.</summary>
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

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
