using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>
/// What identifies a job: the tool's version, the command and its options, and of each input file the name, length, time of
/// its last change and a digest of its header. Lies in the output folder while the job is unfinished.
/// </summary>
internal static class JobManifest
{
    public const string FileName = "blockquant-job.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Of(Checkpoint source, ConversionPlan plan)
    {
        var manifest = new JsonObject
        {
            ["blockquant"] = typeof(JobManifest).Assembly.GetName().Version!.ToString(),
            ["options"] = plan.Options.DeepClone(),
            ["config"] = plan.Config is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(plan.Config.ToJsonString()))),
            ["input"] = new JsonArray([.. source.Shards.Select(InputOf)]),
        };
        return Encoding.UTF8.GetBytes(manifest.ToJsonString(Indented));
    }

    private static JsonObject InputOf(CheckpointShard shard) => new()
    {
        ["name"] = shard.Name,
        ["length"] = shard.Length,
        ["changed"] = File.GetLastWriteTimeUtc(shard.Path).Ticks,
        ["tensors"] = DigestOf(shard),
    };

    private static string DigestOf(CheckpointShard shard)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (TensorInfo tensor in shard.Tensors)
        {
            digest.AppendData(Encoding.UTF8.GetBytes($"{tensor} {tensor.Offset}\n"));
        }

        return Convert.ToHexStringLower(digest.GetHashAndReset());
    }
}
