using Microsoft.Win32.SafeHandles;

namespace BlockQuant.Storage;

/// <summary>One safetensors file of a <see cref="Checkpoint"/>.</summary>
public sealed class CheckpointShard
{
    private readonly SafetensorsHeader header;

    private CheckpointShard(string path, SafeFileHandle file, SafetensorsHeader header)
    {
        Path = path;
        File = file;
        this.header = header;
        Length = RandomAccess.GetLength(file);
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>The file's name, without a folder.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors => header.Tensors;

    /// <summary>The file's <c>__metadata__</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    internal SafeFileHandle File { get; }

    internal static CheckpointShard Open(string path)
    {
        SafeFileHandle file = System.IO.File.OpenHandle(path, options: FileOptions.SequentialScan);
        try
        {
            return new CheckpointShard(path, file, SafetensorsHeader.Read(file));
        }
        catch (Exception error)
        {
            file.Dispose();
            throw error switch
            {
                SafetensorsException => new SafetensorsException($"{path}: {error.Message}", error),
                NotSupportedException => new SafetensorsException($"{path}: not a regular file.", error),
                _ => error,
            };
        }
    }
}
