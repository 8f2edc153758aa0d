namespace BlockQuant.Benchmarks.Reports;

/// <summary>The part of a document between the lines <c>&lt;!-- generated: NAME --&gt;</c> and <c>&lt;!-- end --&gt;</c>, which commands write anew.</summary>
internal static class GeneratedSection
{
    private const string End = "<!-- end -->";

    public static void Write(string document, string name, string markdown)
    {
        string text = File.ReadAllText(document);
        string begin = $"<!-- generated: {name} -->\n";
        int from = text.IndexOf(begin, StringComparison.Ordinal);
        int to = from < 0 ? -1 : text.IndexOf(End, from, StringComparison.Ordinal);
        if (to < 0)
            throw new InvalidDataException($"{document} has no section from '{begin.Trim()}' to '{End}'.");
        File.WriteAllText(document, $"{text[..(from + begin.Length)]}\n{markdown.Trim()}\n\n{text[to..]}");
    }
}
