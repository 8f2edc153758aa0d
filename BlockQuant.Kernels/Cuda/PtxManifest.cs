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

    /// <summary>What kernels call outside their own folders, and where the constants stand that they are compiled with.</summary>
    private static readonly string[] OtherSources =
    [
        "BlockQuant.Core/Numerics/BFloat16Codec.cs", "BlockQuant.Core/Numerics/ErrorFunction.cs", "BlockQuant.Core/Numerics/Float8Codec.cs",
        "BlockQuant.Core/Numerics/HalfCodec.cs", "BlockQuant.Core/Scheduling/ExpertTileMap.cs", "BlockQuant.Core/Scheduling/LoraScheduler.cs",
        "BlockQuant.Core/Scheduling/QuantizedOutputScheduler.cs", "BlockQuant.Core/Scheduling/TileScheduler.cs",
        "BlockQuant.Kernels/Devices/Ilgpu/ViewAtomics.cs", "BlockQuant.Kernels/Operators/DeviceStatus.cs",
    ];

    /// <summary>
    /// What launches kernels and is no part of them, by how its path below BlockQuant.Kernels begins. Other files of such names name the kernels'
    /// type arguments (LoraKernels.cs) or are their parameters (LoraCall.cs).
    /// </summary>
    private static readonly string[] LaunchSources =
    [
        "Hopper/ExpertMatmul", "Hopper/ExpertOperands.cs", "Hopper/HopperKernels.", "Hopper/Int8Matmul", "Hopper/Matmul",
        "TensorCores/Lora/LoraLaunch.cs", "TensorCores/TensorCoreKernels.cs", "Vector/VectorKernels.cs",
    ];

    /// <summary>
    /// A line for each file, its SHA-256 (of the text with LF line ends) and its path below <paramref name="repository"/>: the PTX in every Ptx
    /// folder, the sources beside it but those that only launch kernels, and what kernels call elsewhere.
    /// </summary>
    public static string Of(string repository)
    {
        string kernels = Path.Combine(repository, "BlockQuant.Kernels");
        var paths = Directory.GetDirectories(kernels)
            .Where(folder => Directory.Exists(Path.Combine(folder, "Ptx")))
            .SelectMany(folder => Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            .Where(path => path.EndsWith(".ptx") || (path.EndsWith(".cs") && !IsLaunch(Relative(kernels, path))))
            .Select(path => Relative(repository, path))
            .Concat(OtherSources)
            .Order(StringComparer.Ordinal);
        var text = new StringBuilder();
        foreach (string path in paths)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(File.ReadAllText(Path.Combine(repository, path)).ReplaceLineEndings("\n"));
            text.Append(Convert.ToHexStringLower(SHA256.HashData(bytes))).Append("  ").Append(path).Append('\n');
        }
        return text.ToString();
    }

    private static bool IsLaunch(string path) => LaunchSources.Any(start => path.StartsWith(start, StringComparison.Ordinal));

    private static string Relative(string folder, string path) => Path.GetRelativePath(folder, path).Replace('\\', '/');
}
