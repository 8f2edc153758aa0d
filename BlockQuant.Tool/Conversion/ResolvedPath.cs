namespace BlockQuant.Tool.Conversion;

/// <summary>Tells whether two paths mean one file or folder.</summary>
internal static class ResolvedPath
{
    /// <summary>The full path with every symbolic link on the way followed.</summary>
    public static string Of(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parent = Path.GetDirectoryName(full);
        if (parent is null)
        {
            return full;
        }

        string inRealParent = Path.Combine(Of(parent), Path.GetFileName(full));
        FileSystemInfo info = Directory.Exists(inRealParent) ? new DirectoryInfo(inRealParent) : new FileInfo(inRealParent);
        return info.LinkTarget is null ? inRealParent : Of(info.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? inRealParent);
    }
}
