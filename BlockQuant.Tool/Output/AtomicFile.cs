using BlockQuant.Storage;

namespace BlockQuant.Tool.Output;

/// <summary>Writes small files that are never seen half written.</summary>
internal static class AtomicFile
{
    /// <summary>Writes under a temporary name beside the target and renames once the bytes are on the disk.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        string partial = PartialFile.NameFor(path);
        try
        {
            using (var stream = new FileStream(partial, FileMode.CreateNew, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    public static void Write(string path, byte[] content) => Write(path, stream => stream.Write(content));

    public static void Copy(string source, string path) => Write(path, stream =>
    {
        using var input = new FileStream(source, FileMode.Open, FileAccess.Read);
        input.CopyTo(stream);
    });
}
