using BlockQuant.Storage;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Conversion;

/// <summary>
/// The folder a job writes into, alone. It is taken if it is absent, empty, or holds the same job unfinished, which a manifest in it
/// tells; anything else in it is left alone and the job refused.
/// </summary>
internal sealed class JobFolder : IDisposable
{
    /// <summary>The lock file in a folder that is being written.</summary>
    public const string LockName = "blockquant-job.lock";

    private readonly string path;
    private readonly OutputLock writing;

    private JobFolder(string path)
    {
        this.path = path;
        writing = OutputLock.Take(PathOf(LockName), path);
    }

    /// <summary>Takes a folder for a job, new or interrupted.</summary>
    /// <exception cref="InputException">The folder holds something else, or another process is writing into it.</exception>
    public static JobFolder Take(string path, byte[] manifest)
    {
        if (File.Exists(path))
        {
            throw new InputException($"{path} is a file; expected a folder, because the input is one.");
        }

        // Asked before the lock too, so that nothing is ever created in a folder of somebody else.
        RequireOwn(path);
        Directory.CreateDirectory(path);
        var folder = new JobFolder(path);
        try
        {
            folder.Begin(manifest);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
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

    /// <summary>Declares the job finished.</summary>
    public void Finish()
    {
        // Under the lock, so that nobody takes up a job that has just ended; killed in between, a whole folder keeps an empty lock file.
        File.Delete(PathOf(JobManifest.FileName));
        Dispose();
    }

    /// <summary>Gives the folder back; a job that is not finished can be resumed.</summary>
    public void Dispose() => writing.Dispose();

    private static void RequireOwn(string path)
    {
        if (!Directory.Exists(path) || File.Exists(Path.Combine(path, JobManifest.FileName)))
        {
            return;
        }

        // A process killed before its manifest was whole leaves no more than these.
        if (Directory.EnumerateFileSystemEntries(path).Select(Path.GetFileName).Any(name => name != LockName && !PartialFile.IsNameOf(name!, JobManifest.FileName)))
        {
            throw new InputException($"{path} is not empty and holds no unfinished job; delete it or choose another folder.");
        }
    }

    private void Begin(byte[] manifest)
    {
        RequireOwn(path);
        string file = PathOf(JobManifest.FileName);
        if (!File.Exists(file))
        {
            AtomicFile.Write(file, manifest);
        }
        else if (!File.ReadAllBytes(file).AsSpan().SequenceEqual(manifest))
        {
            throw new InputException($"{path} holds an unfinished job with another input or other options; finish that one, delete the folder, or choose another.");
        }

        PartialFile.RemoveAll(path, string.Empty);
    }
}
