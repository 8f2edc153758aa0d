using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>The small files beside the weights without which a folder is no usable model: tokenizer, templates, code, license.</summary>
internal static class CompanionFiles
{
    private static readonly string[] Extensions = [".jinja", ".json", ".md", ".model", ".py", ".tiktoken", ".txt"];
    private static readonly string[] Names = ["LICENSE", "NOTICE"];

    public static IEnumerable<string> Of(Checkpoint source) =>
        Directory.EnumerateFiles(source.Path)
            .Where(path => IsCompanion(Path.GetFileName(path)) && Path.GetFileName(path) != Path.GetFileName(source.IndexPath))
            .Order(StringComparer.Ordinal);

    private static bool IsCompanion(string name) =>
        name is not (Checkpoint.ConfigName or JobManifest.FileName)
        && name[0] != '.'
        && !name.EndsWith(".index.json", StringComparison.Ordinal)
        && (Names.Contains(name) || Extensions.Contains(Path.GetExtension(name)));
}
