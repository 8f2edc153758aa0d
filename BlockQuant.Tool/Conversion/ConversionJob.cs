using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using BlockQuant.Storage;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Conversion;

/// <summary>What a job did.</summary>
/// <param name="Shards">Files of the output.</param>
/// <param name="ResumedShards">Files that an earlier run had finished.</param>
/// <param name="OutputBytes">Bytes of the output's tensors.</param>
/// <param name="NotFinite">Of each weight quantized by this run that has any: blocks that hold NaN or an infinity.</param>
internal sealed record ConversionResult(int Shards, int ResumedShards, long OutputBytes, IReadOnlyDictionary<string, long> NotFinite);

/// <summary>Carries out a plan: file after file, each written under a temporary name and renamed, so that a killed job resumes.</summary>
internal sealed class ConversionJob(Checkpoint source, ConversionPlan plan, ToolConsole console)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly PieceBuffers buffers = new();
    private readonly Dictionary<string, long> notFinite = [];
    private int resumed;

    /// <summary>Writes the output.</summary>
    /// <param name="output">A folder if the input is one, else a file.</param>
    /// <exception cref="InputException">The output is there already and is not this job's, or another process is writing it.</exception>
    public ConversionResult Run(string output)
    {
        RequireApart(source.Path, output);
        if (source.IsFolder)
        {
            RunFolder(output);
        }
        else
        {
            RunFile(output);
        }

        return new ConversionResult(plan.Shards.Count, resumed, OutputSizes().Sum(size => size.Bytes), notFinite);
    }

    private static void RequireApart(string input, string output)
    {
        if (ResolvedPath.Of(input) == ResolvedPath.Of(output))
        {
            throw new InputException($"{output} is the input itself; choose another output.");
        }
    }

    private static void RequireAbsent(string output)
    {
        if (Path.Exists(output))
        {
            throw new InputException($"{output} exists; delete it or choose another name.");
        }
    }

    private void RunFile(string output)
    {
        RequireAbsent(output);
        if (!output.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            throw new InputException($"{output} has no name ending in .safetensors; expected one, because the input is a file.");
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        Directory.CreateDirectory(folder);
        using var writing = OutputLock.Take(output + ".lock", output);
        // Another process may have finished it before the lock was taken.
        RequireAbsent(output);
        PartialFile.RemoveAll(folder, Path.GetFileName(output));
        console.WithProgress(Path.GetFileName(output), plan.InputBytes, advance =>
        {
            WriteShard(plan.Shards.Single(), output, advance);
            return true;
        });
    }

    private void RunFolder(string output)
    {
        using var folder = JobFolder.Take(output, JobManifest.Of(source, plan));
        console.WithProgress(plan.Options["command"]!.GetValue<string>(), plan.InputBytes, advance =>
        {
            foreach (ShardPlan shard in plan.Shards)
            {
                if (folder.IsFinished(shard))
                {
                    resumed++;
                    advance(shard.InputBytes);
                }
                else
                {
                    WriteShard(shard, folder.PathOf(shard.Name), advance);
                }
            }

            return true;
        });

        foreach (string companion in CompanionFiles.Of(source))
        {
            AtomicFile.Copy(companion, folder.PathOf(Path.GetFileName(companion)));
        }

        // Loaders begin with these two, so they come last: a folder that has them is whole.
        if (source.IndexPath is { } index)
        {
            AtomicFile.Write(folder.PathOf(Path.GetFileName(index)), Json(OutputIndex()));
        }

        if (plan.Config is not null)
        {
            AtomicFile.Write(folder.PathOf(Checkpoint.ConfigName), Json(plan.Config));
        }

        folder.Finish();
    }

    private void WriteShard(ShardPlan shard, string path, Action<long> advance)
    {
        using var writer = new SafetensorsWriter(path, shard.Tensors.SelectMany(tensor => tensor.Outputs), shard.Metadata.Count > 0 ? shard.Metadata : null);
        foreach (TensorConversion tensor in shard.Tensors)
        {
            long count = tensor.Run(source, writer, buffers, advance);
            if (count > 0)
            {
                notFinite[tensor.Tensor.Name] = count;
            }
        }

        writer.Complete();
    }

    private IEnumerable<(string Name, string Shard, long Bytes)> OutputSizes() =>
        from shard in plan.Shards
        from tensor in shard.Tensors
        from output in tensor.Outputs
        select (output.Name, shard.Name, output.ByteLength);

    private JsonObject OutputIndex()
    {
        var weightMap = new JsonObject();
        long total = 0;
        foreach ((string name, string shard, long bytes) in OutputSizes().OrderBy(size => size.Name, StringComparer.Ordinal))
        {
            weightMap[name] = shard;
            total += bytes;
        }

        return new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = total }, ["weight_map"] = weightMap };
    }

    private static byte[] Json(JsonObject content) => JsonSerializer.SerializeToUtf8Bytes(content, Indented);
}
