using System.Runtime.InteropServices;

namespace BlockQuant.Storage;

/// <summary>A tensor to be written: its name, element type and extents.</summary>
/// <param name="Name">The name, unique in its file.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The extents, outermost first; empty for a scalar.</param>
public record TensorDeclaration(string Name, SafetensorsDType DType, params long[] Shape)
{
    /// <summary>The tensor this one will be a copy of, where its element type need not be known.</summary>
    internal TensorInfo? Copied { get; private init; }

    /// <summary>How many bytes the tensor takes.</summary>
    /// <exception cref="ArgumentException">An extent is negative or there are too many bytes, or the element type is unknown.</exception>
    public long ByteLength
    {
        get
        {
            if (Copied is not null)
            {
                return Copied.ByteLength;
            }

            long length = SafetensorsElement.SizeOf(DType);
            foreach (long extent in Shape)
            {
                if (extent < 0 || (extent > 0 && length > long.MaxValue / extent))
                {
                    throw new ArgumentException($"tensor '{Name}' has shape [{string.Join(", ", Shape)}]; expected extents from 0, {long.MaxValue} bytes at most.");
                }

                length *= extent;
            }

            return length;
        }
    }

    /// <summary>The element type as a header spells it.</summary>
    internal string DTypeName => Copied?.DTypeName ?? SafetensorsElement.NameOf(DType);

    /// <summary>Declares a copy of a tensor, whose bytes will be written as they are; its element type may be unknown.</summary>
    /// <param name="tensor">The tensor, with its name.</param>
    public static TensorDeclaration CopyOf(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.DType == SafetensorsDType.Unknown
            ? new(tensor.Name, tensor.DType, tensor.Shape) { Copied = tensor }
            : new(tensor.Name, tensor.DType, tensor.Shape);
    }

    /// <summary>Name, type and shape, as of a <see cref="TensorInfo"/>.</summary>
    public sealed override string ToString() => $"'{Name}' {DTypeName} [{string.Join(", ", Shape)}]";
}

/// <summary>A tensor to be written, with its data.</summary>
/// <param name="Name">The name, unique in its file.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The extents, outermost first.</param>
/// <param name="Data">The elements' bytes, row-major and little-endian.</param>
public sealed record SafetensorsTensor(string Name, SafetensorsDType DType, long[] Shape, ReadOnlyMemory<byte> Data)
    : TensorDeclaration(Name, DType, Shape)
{
    /// <summary>Takes the elements of an array, whose type decides the tensor's.</summary>
    /// <typeparam name="T">One of the types <see cref="SafetensorsFile.Read{T}"/> lists.</typeparam>
    /// <param name="name">The name.</param>
    /// <param name="elements">The elements, row-major; copied.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <exception cref="NotSupportedException">The format has no element type for <typeparamref name="T"/>.</exception>
    public static SafetensorsTensor From<T>(string name, ReadOnlySpan<T> elements, params long[] shape)
        where T : unmanaged =>
        new(name, SafetensorsElement.TypeOf<T>(), shape, MemoryMarshal.AsBytes(elements).ToArray());
}
