using System.Security.Cryptography;
using System.Text;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Hashes of the sources that the embedded PTX was generated from, so that a test can tell when it is out of date.</summary>
internal static class PtxManifest
{
    /// <summary>Name of the manifest beside the PTX.</summary>
    public const string FileName = "manifest.txt";

    /// <summary>One line for each source: its SHA-256 (of the text with LF line ends) and its path below <paramref name="sources"/>.</summary>
    public static string Of(string sources)
    {
        string[] folders = ["Compiler", "Intrinsics", "Kernels"];
        var paths = folders.SelectMany(folder => Directory.GetFiles(Path.Combine(sources, folder), "*.cs"))
            .Append(Path.Combine(sources, "HopperKernel.cs"))
            .Select(path => Path.GetRelativePath(sources, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);
        var text = new StringBuilder();
        foreach (string path in paths)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(File.ReadAllText(Path.Combine(sources, path)).ReplaceLineEndings("\n"));
            text.Append(Convert.ToHexStringLower(SHA256.HashData(bytes))).Append("  ").Append(path).Append('\n');
        }
        return text.ToString();
    }
}
