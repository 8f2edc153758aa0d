using System.Security.Cryptography;
using System.Text;

namespace BlockQuant.Kernels.Cuda;

/// <summary>
/// Hashes of the embedded PTX and of the sources it was generated from, so that a test can tell, without a compiler, when it is out of date.
/// </summary>
internal static class PtxManifest
{
    /// <summary>Name of the manifest in the folder of BlockQuant.Kernels.</summary>
    public const string FileName = "ptx-manifest.txt";

    /// <summary>What kernels call in BlockQuant.Core.</summary>
    private static readonly string[] CoreSources =
    [
        "Numerics/BFloat16Codec.cs", "Numerics/ErrorFunction.cs", "Numerics/Float8Codec.cs", "Numerics/HalfCodec.cs", "Scheduling/ExpertTileMap.cs",
    ];

    /// <summary>
    /// A line for each file, its SHA-256 (of the text with LF line ends) and its path below <paramref name="repository"/>: the PTX in every Ptx
    /// folder, all sources beside it but those that launch the kernels (*Kernels.cs, *Call.cs), and those of Core that kernels call.
    /// </summary>
    public static string Of(string repository)
    {
        string kernels = Path.Combine(repository, "BlockQuant.Kernels");
        var paths = Directory.GetDirectories(kernels)
            .Where(folder => Directory.Exists(Path.Combine(folder, "Ptx")))
            .SelectMany(folder => Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            .Where(path => path.EndsWith(".ptx") || (path.EndsWith(".cs") && !path.EndsWith("Kernels.cs") && !path.EndsWith("Call.cs")))
            .Concat(CoreSources.Select(path => Path.Combine(repository, "BlockQuant.Core", path)))
            .Select(path => Path.GetRelativePath(repository, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal);
        var text = new StringBuilder();
        foreach (string path in paths)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(File.ReadAllText(Path.Combine(repository, path)).ReplaceLineEndings("\n"));
            text.Append(Convert.ToHexStringLower(SHA256.HashData(bytes))).Append("  ").Append(path).Append('\n');
        }
        return text.ToString();
    }
}
