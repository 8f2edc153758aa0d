using BlockQuant.Storage;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Conversion;

/// <summary>
/// The folder a job writes into. It is taken if it is absent, empty, or holds the same job unfinished, which a manifest in it
/// tells; anything else in it is left alone and the job refused.
/// </summary>
internal sealed class JobFolder
{
    private readonly string path;

    private JobFolder(string path) => this.path = path;

    private string ManifestPath => PathOf(JobManifest.FileName);

    /// <summary>Takes a folder for a job, new or interrupted.</summary>
    /// <exception cref="InputException">The folder holds something else.</exception>
    public static JobFolder Take(string path, byte[] manifest)
    {
        if (File.Exists(path))
        {
            throw new InputException($"{path} is a file; expected a folder, because the input is one.");
        }

        var folder = new JobFolder(path);
        if (File.Exists(folder.ManifestPath))
        {
            if (!File.ReadAllBytes(folder.ManifestPath).AsSpan().SequenceEqual(manifest))
            {
                throw new InputException($"{path} holds an unfinished job with another input or other options; finish that one, delete the folder, or choose another.");
            }

            return folder;
        }

        // A process killed while it wrote the manifest leaves that alone.
        string partialManifest = JobManifest.FileName + AtomicFile.PartialSuffix;
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any(entry => Path.GetFileName(entry) != partialManifest))
        {
            throw new InputException($"{path} is not empty and holds no unfinished job; delete it or choose another folder.");
        }

        Directory.CreateDirectory(path);
        AtomicFile.Write(folder.ManifestPath, manifest);
        return folder;
    }

    /// <summary>The path of a file in the folder; its name has been checked to be a plain one.</summary>
    public string PathOf(string name) => Path.Combine(path, name);

    /// <summary>
    /// Whether an earlier run finished a file. A file gets its name only when it is whole and on the disk, so it is enough
    /// that it is there and holds the tensors that the plan says.
    /// </summary>
    public bool IsFinished(ShardPlan shard)
    {
        if (!File.Exists(PathOf(shard.Name)))
        {
            return false;
        }

        try
        {
            using var found = Checkpoint.Open(PathOf(shard.Name));
            return found.Tensors.Select(tensor => tensor.ToString()).Order(StringComparer.Ordinal).SequenceEqual(
                shard.Tensors.SelectMany(tensor => tensor.Outputs).Select(tensor => tensor.ToString()).Order(StringComparer.Ordinal));
        }
        catch (SafetensorsException)
        {
            return false;
        }
    }

    /// <summary>Removes what a killed run left half written.</summary>
    public void RemovePartial(string name) => File.Delete(PathOf(name) + AtomicFile.PartialSuffix);

    /// <summary>Declares the job finished.</summary>
    public void Finish() => File.Delete(ManifestPath);
}
