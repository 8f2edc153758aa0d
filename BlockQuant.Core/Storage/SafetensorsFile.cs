using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Storage;

/// <summary>
/// A safetensors file, mapped into memory: opening reads the header alone, and a tensor's pages are read when they are touched.
/// </summary>
/// <remarks>
/// The header is checked against the file's size before anything is handed out. Any number of threads may read at once;
/// none may while the file is being disposed, and the file must not shrink while it is open.
/// </remarks>
public sealed unsafe class SafetensorsFile : ITensorSource, IDisposable
{
    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private readonly SafetensorsHeader header;
    private readonly Dictionary<string, TensorInfo> tensorsByName;
    private bool disposed;

    private SafetensorsFile(string path, SafetensorsHeader header, MemoryMappedFile mapping)
    {
        Path = path;
        this.header = header;
        this.mapping = mapping;
        tensorsByName = header.Tensors.ToDictionary(tensor => tensor.Name);
        view = mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    /// <summary>The path the file was opened with.</summary>
    public string Path { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors => header.Tensors;

    /// <summary>The file's <c>__metadata__</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafetensorsException">The header is malformed or does not fit the file's size.</exception>
    /// <exception cref="IOException">The file can't be opened.</exception>
    public static SafetensorsFile Open(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        SafetensorsHeader header;
        try
        {
            header = SafetensorsHeader.Read(stream.SafeFileHandle);
        }
        catch (SafetensorsException error)
        {
            throw new SafetensorsException($"{path}: {error.Message}", error);
        }

        var mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        return new SafetensorsFile(path, header, mapping);
    }

    /// <summary>Finds a tensor by name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out TensorInfo? tensor) => tensorsByName.TryGetValue(name, out tensor);

    /// <summary>Finds a tensor by name.</summary>
    /// <exception cref="SafetensorsException">There is none of that name.</exception>
    public TensorInfo Get(string name) =>
        TryGet(name, out TensorInfo? tensor) ? tensor : throw new SafetensorsException($"{Path} has no tensor '{name}'.");

    /// <summary>Reads a whole tensor.</summary>
    /// <typeparam name="T">
    /// The .NET type of the tensor's elements: bool, byte, sbyte, <see cref="Float8E4M3"/>, short, ushort, <see cref="Half"/>,
    /// <see cref="BFloat16"/>, int, uint, float, double, long or ulong. byte also reads any other type of one byte, as it is.
    /// </typeparam>
    /// <param name="name">The tensor.</param>
    /// <returns>The elements, row-major.</returns>
    /// <exception cref="SafetensorsException">There is no such tensor, it has another element type, or it has more elements than an array holds.</exception>
    /// <exception cref="NotSupportedException">The format has no element type for <typeparamref name="T"/>.</exception>
    public T[] Read<T>(string name)
        where T : unmanaged
    {
        TensorInfo tensor = Known(name);
        if (!SafetensorsElement.IsReadableAs<T>(tensor.DType))
        {
            throw new SafetensorsException($"{Path}: tensor {tensor} has another element type than the expected {SafetensorsElement.NameOf(SafetensorsElement.TypeOf<T>())}.");
        }

        long count = tensor.ByteLength / Unsafe.SizeOf<T>();
        if (count > Array.MaxLength)
        {
            throw new SafetensorsException($"{Path}: tensor {tensor} has {count} elements, more than an array holds; read it in pieces with CopyTo.");
        }

        var elements = new T[count];
        long position = 0;
        while (position < tensor.ByteLength)
        {
            // An array of wide elements may have more bytes than a span can count.
            int piece = (int)Math.Min(tensor.ByteLength - position, 1 << 30);
            Span<T> target = elements.AsSpan((int)(position / Unsafe.SizeOf<T>()), piece / Unsafe.SizeOf<T>());
            Bytes(tensor, position, piece).CopyTo(MemoryMarshal.AsBytes(target));
            position += piece;
        }

        return elements;
    }

    /// <summary>Copies bytes of a tensor; with <paramref name="offset"/>, a tensor of any size is read in pieces.</summary>
    /// <param name="name">The tensor, of a known element type.</param>
    /// <param name="destination">Takes as many bytes as it has room for.</param>
    /// <param name="offset">The first byte to copy, counted from the tensor's start.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    /// <exception cref="SafetensorsException">There is no such tensor, or its element type is unknown.</exception>
    public void CopyTo(string name, Span<byte> destination, long offset = 0) => AsSpan(name, offset, destination.Length).CopyTo(destination);

    /// <summary>The mapped bytes of a whole tensor, valid until the file is disposed.</summary>
    /// <param name="name">The tensor, of a known element type and at most 2³¹ − 1 bytes.</param>
    /// <exception cref="SafetensorsException">There is no such tensor, its element type is unknown, or it is too large for one span.</exception>
    public ReadOnlySpan<byte> AsSpan(string name)
    {
        TensorInfo tensor = Known(name);
        return tensor.ByteLength <= int.MaxValue
            ? Bytes(tensor, 0, (int)tensor.ByteLength)
            : throw new SafetensorsException($"{Path}: tensor {tensor} has {tensor.ByteLength} bytes, more than a span holds; take it in pieces.");
    }

    /// <summary>The mapped bytes of a piece of a tensor, valid until the file is disposed.</summary>
    /// <param name="name">The tensor, of a known element type.</param>
    /// <param name="offset">The first byte, counted from the tensor's start.</param>
    /// <param name="length">How many bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    /// <exception cref="SafetensorsException">There is no such tensor, or its element type is unknown.</exception>
    public ReadOnlySpan<byte> AsSpan(string name, long offset, int length)
    {
        TensorInfo tensor = Known(name);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - length);
        return Bytes(tensor, offset, length);
    }

    /// <summary>Unmaps the file; spans taken from it are no longer valid.</summary>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
    }

    private TensorInfo Known(string name)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        TensorInfo tensor = Get(name);
        return tensor.DType != SafetensorsDType.Unknown
            ? tensor
            : throw new SafetensorsException($"{Path}: tensor {tensor} has an element type this library does not know.");
    }

    private ReadOnlySpan<byte> Bytes(TensorInfo tensor, long offset, int length) => new(start + tensor.Offset + offset, length);
}
