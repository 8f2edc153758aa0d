namespace BlockQuant.Storage;

/// <summary>The name that a file has until it is whole.</summary>
internal static class PartialFile
{
    private const string Suffix = ".partial";

    /// <summary>A name beside the file that no other writer of it has: one that takes another's name would have its half put in place by it.</summary>
    public static string NameFor(string path) => $"{path}.{Path.GetRandomFileName()}{Suffix}";

    /// <summary>Whether a name is one that an unfinished file may have.</summary>
    /// <param name="name">The name.</param>
    /// <param name="file">The file's own name; empty for any file.</param>
    public static bool IsNameOf(string name, string file) =>
        name.EndsWith(Suffix, StringComparison.Ordinal)
        && (file.Length == 0 || name.StartsWith(file + ".", StringComparison.Ordinal) && name.Length == NameFor(file).Length);

    /// <summary>Removes what killed writers left in a folder; nobody may be writing there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="file">As for <see cref="IsNameOf"/>.</param>
    public static void RemoveAll(string folder, string file)
    {
        foreach (string path in Directory.GetFiles(folder).Where(path => IsNameOf(Path.GetFileName(path), file)))
        {
            File.Delete(path);
        }
    }
}
