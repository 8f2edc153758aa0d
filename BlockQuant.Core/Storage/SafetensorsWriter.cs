using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace BlockQuant.Storage;

/// <summary>
/// Writes a safetensors file piece by piece: all tensors are declared first, then each is written in as many pieces as the
/// caller likes, so that no more than one piece need be in memory.
/// </summary>
/// <remarks>
/// Wider elements come first, and the data begins at a multiple of 64 bytes, so every tensor is aligned to its element.
/// The file appears under its name when <see cref="Complete"/> has found every tensor whole; until then, and if it never
/// does, an earlier file of that name stays as it is. Of several writers of one name the last to complete wins, with a whole file.
/// A process that is killed leaves its unfinished file, <c>NAME.*.partial</c>, which no other writer removes.
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    private const int DataAlignment = 64;

    private readonly string path;
    private readonly string partialPath;
    private readonly SafeFileHandle file;
    private readonly long dataStart;
    private readonly Dictionary<string, Region> regions = [];
    private bool completed;

    /// <summary>Declares the tensors and writes the header.</summary>
    /// <param name="path">The file to write; replaced if it exists.</param>
    /// <param name="tensors">Every tensor that will be written.</param>
    /// <param name="metadata">The file's <c>__metadata__</c>, or null for none.</param>
    /// <exception cref="ArgumentException">A name is used twice or reserved, an element type unknown, or a shape negative or too large.</exception>
    public SafetensorsWriter(string path, IEnumerable<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(tensors);

        // OrderBy is stable: tensors of one element size keep the caller's order.
        TensorDeclaration[] ordered = [.. tensors.OrderByDescending(tensor => tensor.Copied is null ? SafetensorsElement.SizeOf(tensor.DType) : 0)];
        long end = 0;
        foreach (TensorDeclaration tensor in ordered)
        {
            long length = tensor.ByteLength;
            if (tensor.Name == SafetensorsHeader.MetadataName || !regions.TryAdd(tensor.Name, new Region(end, length)))
            {
                throw new ArgumentException($"tensor name '{tensor.Name}' is reserved or used twice.", nameof(tensors));
            }

            end = checked(end + length);
        }

        byte[] header = Header(ordered, metadata);
        this.path = path;
        partialPath = PartialFile.NameFor(path);
        dataStart = header.Length;
        file = File.OpenHandle(partialPath, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(file, header, 0);
    }

    /// <summary>Writes a file from tensors in memory.</summary>
    /// <param name="path">The file to write; replaced if it exists.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">The file's <c>__metadata__</c>, or null for none.</param>
    /// <exception cref="ArgumentException">As for the constructor, or a tensor's data has another length than its shape.</exception>
    public static void Save(string path, IEnumerable<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        SafetensorsTensor[] list = [.. tensors];
        using var writer = new SafetensorsWriter(path, list, metadata);
        foreach (SafetensorsTensor tensor in list)
        {
            writer.Write(tensor.Name, tensor.Data.Span);
        }

        writer.Complete();
    }

    /// <summary>Appends a piece to a tensor.</summary>
    /// <typeparam name="T">Any type of the elements' layout; bytes are written as they are.</typeparam>
    /// <param name="name">The tensor, as declared.</param>
    /// <param name="piece">The next elements.</param>
    /// <exception cref="ArgumentException">No such tensor was declared, or the piece reaches beyond its end.</exception>
    public void Write<T>(string name, ReadOnlySpan<T> piece)
        where T : unmanaged =>
        WriteAt(Declared(name), name, Declared(name).Written, piece);

    /// <summary>Writes a piece of a tensor at a place of its own, for pieces that do not come in the order of the data.</summary>
    /// <remarks>The caller sees to it that the pieces cover the tensor once: <see cref="Complete"/> counts bytes, not places.</remarks>
    /// <typeparam name="T">Any type of the elements' layout; bytes are written as they are.</typeparam>
    /// <param name="name">The tensor, as declared.</param>
    /// <param name="offset">The piece's first byte, counted from the tensor's start.</param>
    /// <param name="piece">The elements.</param>
    /// <exception cref="ArgumentException">No such tensor was declared, or the piece reaches beyond its end.</exception>
    public void Write<T>(string name, long offset, ReadOnlySpan<T> piece)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        WriteAt(Declared(name), name, offset, piece);
    }

    /// <summary>Ends the file and, once it is on the disk, gives it its name.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not wholly written.</exception>
    public void Complete()
    {
        foreach ((string name, Region region) in regions)
        {
            if (region.Written != region.Length)
            {
                throw new InvalidOperationException($"tensor '{name}' has {region.Written} of its {region.Length} bytes.");
            }
        }

        RandomAccess.FlushToDisk(file);
        file.Dispose();
        File.Move(partialPath, path, overwrite: true);
        completed = true;
    }

    /// <summary>Closes the file; one that was not completed is deleted.</summary>
    public void Dispose()
    {
        file.Dispose();
        if (!completed)
        {
            File.Delete(partialPath);
        }
    }

    private Region Declared(string name) =>
        regions.TryGetValue(name, out Region? region) ? region : throw new ArgumentException($"tensor '{name}' was not declared.", nameof(name));

    private void WriteAt<T>(Region region, string name, long offset, ReadOnlySpan<T> piece)
        where T : unmanaged
    {
        long length = (long)piece.Length * Unsafe.SizeOf<T>();
        if (length > region.Length - offset)
        {
            throw new ArgumentException($"tensor '{name}' has room for {Math.Max(region.Length - offset, 0)} more bytes; the piece has {length}.", nameof(piece));
        }

        // A span of wide elements may have more bytes than a span can count.
        const int LongestPart = 1 << 27;
        for (int first = 0; first < piece.Length; first += LongestPart)
        {
            ReadOnlySpan<byte> part = MemoryMarshal.AsBytes(piece.Slice(first, Math.Min(LongestPart, piece.Length - first)));
            RandomAccess.Write(file, part, dataStart + region.Offset + offset);
            offset += part.Length;
            region.Written += part.Length;
        }
    }

    private byte[] Header(IEnumerable<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var stream = new MemoryStream();
        stream.Write(stackalloc byte[SafetensorsHeader.PrefixLength]);
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in metadata)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            foreach (TensorDeclaration tensor in tensors)
            {
                Region region = regions[tensor.Name];
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.DTypeName);
                WriteIntegers(json, "shape", tensor.Shape);
                WriteIntegers(json, "data_offsets", [region.Offset, region.Offset + region.Length]);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (stream.Length % DataAlignment != 0)
        {
            stream.WriteByte((byte)' ');
        }

        byte[] header = stream.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - SafetensorsHeader.PrefixLength));
        return header;
    }

    private static void WriteIntegers(Utf8JsonWriter json, string name, ReadOnlySpan<long> integers)
    {
        json.WriteStartArray(name);
        foreach (long integer in integers)
        {
            json.WriteNumberValue(integer);
        }

        json.WriteEndArray();
    }

    private sealed class Region(long offset, long length)
    {
        public long Offset { get; } = offset;

        public long Length { get; } = length;

        public long Written { get; set; }
    }
}
