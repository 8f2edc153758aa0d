using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Storage;

/// <summary>
/// The tensors of a model: one safetensors file, or a folder in Hugging Face's layout with one <c>model.safetensors</c> or
/// many files and an index. Opening reads headers alone.
/// </summary>
/// <remarks>
/// Tensors are read through buffers, not mapped, so that passing over a checkpoint of any size leaves nothing in the
/// process's memory. Any number of threads may read at once; none may while the checkpoint is being disposed.
/// </remarks>
public sealed class Checkpoint : ITensorSource, IDisposable
{
    /// <summary>The model's description in a folder, where <c>quantization_config</c> says how it is quantized.</summary>
    public const string ConfigName = "config.json";

    private const string SingleFileName = "model.safetensors";

    private readonly Dictionary<string, (CheckpointShard Shard, TensorInfo Tensor)> tensors = [];
    private bool disposed;

    private Checkpoint(string path, bool isFolder, string? indexPath, List<CheckpointShard> shards)
    {
        Path = path;
        IsFolder = isFolder;
        IndexPath = indexPath;
        Shards = shards;
        foreach (CheckpointShard shard in shards)
        {
            foreach (TensorInfo tensor in shard.Tensors)
            {
                if (!tensors.TryAdd(tensor.Name, (shard, tensor)))
                {
                    throw new SafetensorsException($"{path}: tensor '{tensor.Name}' is in both {tensors[tensor.Name].Shard.Name} and {shard.Name}.");
                }
            }
        }
    }

    /// <summary>The path the checkpoint was opened with.</summary>
    public string Path { get; }

    /// <summary>Whether the checkpoint is a folder.</summary>
    public bool IsFolder { get; }

    /// <summary>The index of a sharded checkpoint; null where there is none.</summary>
    public string? IndexPath { get; }

    /// <summary>The files, by name.</summary>
    public IReadOnlyList<CheckpointShard> Shards { get; }

    /// <summary>The tensors of all files, file after file in the order of their data.</summary>
    public IEnumerable<TensorInfo> Tensors => Shards.SelectMany(shard => shard.Tensors);

    /// <summary>Opens a checkpoint and checks its index and headers.</summary>
    /// <param name="path">
    /// A safetensors file; or a folder with <c>model.safetensors.index.json</c> (or one other index), else
    /// <c>model.safetensors</c>, else one safetensors file.
    /// </param>
    /// <exception cref="SafetensorsException">
    /// The folder holds no checkpoint, the index names a file outside the folder or a tensor its file does not hold, two files
    /// hold one tensor, or a header is malformed.
    /// </exception>
    /// <exception cref="IOException">A file can't be opened.</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!Directory.Exists(path))
        {
            return Open(path, isFolder: false, null, [path]);
        }

        if (FindIndex(path) is not { } indexPath)
        {
            return Open(path, isFolder: true, null, [FindSingleFile(path)]);
        }

        CheckpointIndex index = CheckpointIndex.Read(indexPath);
        Checkpoint checkpoint = Open(
            path, isFolder: true, indexPath, index.FileOfTensor.Values.Distinct().Order(StringComparer.Ordinal).Select(name => System.IO.Path.Combine(path, name)));
        foreach ((string tensor, string file) in index.FileOfTensor)
        {
            if (!checkpoint.tensors.TryGetValue(tensor, out var found) || found.Shard.Name != file)
            {
                checkpoint.Dispose();
                throw new SafetensorsException($"{indexPath}: tensor '{tensor}' is not in {file}.");
            }
        }

        return checkpoint;
    }

    /// <summary>Finds a tensor by name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorInfo? tensor)
    {
        bool found = tensors.TryGetValue(name, out var entry);
        tensor = entry.Tensor;
        return found;
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <exception cref="SafetensorsException">There is none of that name.</exception>
    public TensorInfo Get(string name) => Find(name).Tensor;

    /// <summary>Reads bytes of a tensor; with <paramref name="offset"/>, a tensor of any size is read in pieces.</summary>
    /// <param name="name">The tensor; its element type may be unknown.</param>
    /// <param name="destination">Takes as many bytes as it has room for.</param>
    /// <param name="offset">The first byte to read, counted from the tensor's start.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    /// <exception cref="SafetensorsException">There is no such tensor, or its file shrank.</exception>
    public void CopyTo(string name, Span<byte> destination, long offset = 0)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        (CheckpointShard shard, TensorInfo tensor) = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - destination.Length);
        SafetensorsHeader.ReadExactly(shard.File, destination, tensor.Offset + offset);
    }

    /// <summary>Reads a whole tensor.</summary>
    /// <typeparam name="T">As for <see cref="SafetensorsFile.Read{T}"/>.</typeparam>
    /// <param name="name">The tensor.</param>
    /// <returns>The elements, row-major.</returns>
    /// <exception cref="SafetensorsException">There is no such tensor, it has another element type, or it has more elements than an array holds.</exception>
    /// <exception cref="NotSupportedException">The format has no element type for <typeparamref name="T"/>.</exception>
    public T[] Read<T>(string name)
        where T : unmanaged
    {
        TensorInfo tensor = Get(name);
        if (tensor.DType == SafetensorsDType.Unknown || !SafetensorsElement.IsReadableAs<T>(tensor.DType))
        {
            throw new SafetensorsException($"{Path}: tensor {tensor} has another element type than the expected {SafetensorsElement.NameOf(SafetensorsElement.TypeOf<T>())}.");
        }

        long count = tensor.ByteLength / Unsafe.SizeOf<T>();
        if (count > Array.MaxLength)
        {
            throw new SafetensorsException($"{Path}: tensor {tensor} has {count} elements, more than an array holds; read it in pieces with CopyTo.");
        }

        var elements = new T[count];
        const int LongestPart = 1 << 26;
        for (int first = 0; first < elements.Length; first += LongestPart)
        {
            // A span of wide elements may have more bytes than a span can count.
            Span<T> part = elements.AsSpan(first, Math.Min(LongestPart, elements.Length - first));
            CopyTo(name, MemoryMarshal.AsBytes(part), (long)first * Unsafe.SizeOf<T>());
        }

        return elements;
    }

    /// <summary>The scales of a quantized weight: the tensor <c>NAME_scale_inv</c> beside an F8_E4M3 or I8 matrix <c>NAME</c>.</summary>
    /// <param name="weight">A tensor of this checkpoint.</param>
    /// <param name="scale">The scales, or null if the tensor is not a quantized weight.</param>
    public bool TryGetScale(TensorInfo weight, [NotNullWhen(true)] out TensorInfo? scale)
    {
        ArgumentNullException.ThrowIfNull(weight);
        scale = null;
        return CheckpointWeight.FormatOf(weight) is not null && weight.Shape.Length == 2 && TryGet(CheckpointWeight.ScaleNameOf(weight.Name), out scale);
    }

    /// <summary>How a weight was quantized, told from the shapes as <see cref="QuantizedMatrix.FromSafetensors"/> does.</summary>
    /// <param name="weight">A tensor of this checkpoint.</param>
    /// <param name="block">The scale block, where it is known.</param>
    /// <returns>The scheme, or null if the tensor is not a quantized weight.</returns>
    /// <exception cref="SafetensorsException">The scales do not fit the weight.</exception>
    public QuantizationScheme? SchemeOf(TensorInfo weight, BlockShape? block = null) =>
        TryGetScale(weight, out TensorInfo? scale) ? CheckpointWeight.SchemeOf(Path, weight, scale, block) : null;

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        disposed = true;
        foreach (CheckpointShard shard in Shards)
        {
            shard.File.Dispose();
        }
    }

    private static Checkpoint Open(string path, bool isFolder, string? indexPath, IEnumerable<string> files)
    {
        var shards = new List<CheckpointShard>();
        try
        {
            foreach (string file in files)
            {
                shards.Add(CheckpointShard.Open(file));
            }

            return new Checkpoint(path, isFolder, indexPath, shards);
        }
        catch
        {
            shards.ForEach(shard => shard.File.Dispose());
            throw;
        }
    }

    private static string? FindIndex(string folder)
    {
        string usual = System.IO.Path.Combine(folder, CheckpointIndex.DefaultName);
        if (File.Exists(usual))
        {
            return usual;
        }

        string[] others = Directory.GetFiles(folder, "*" + CheckpointIndex.FileSuffix);
        return others.Length <= 1 ? others.SingleOrDefault()
            : throw new SafetensorsException($"{folder} holds {others.Length} indexes and none of the name {CheckpointIndex.DefaultName}.");
    }

    private static string FindSingleFile(string folder)
    {
        string usual = System.IO.Path.Combine(folder, SingleFileName);
        if (File.Exists(usual))
        {
            return usual;
        }

        string[] files = Directory.GetFiles(folder, "*.safetensors");
        return files.Length == 1
            ? files[0]
            : throw new SafetensorsException($"{folder} holds {files.Length} safetensors files and no index; expected {CheckpointIndex.DefaultName} or {SingleFileName}.");
    }

    private (CheckpointShard Shard, TensorInfo Tensor) Find(string name) =>
        tensors.TryGetValue(name, out var entry) ? entry : throw new SafetensorsException($"{Path} has no tensor '{name}'.");
}
