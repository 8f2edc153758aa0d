using System.Runtime.InteropServices;

namespace BlockQuant.Storage;

/// <summary>A tensor to be written: its name, element type and extents.</summary>
/// <param name="Name">The name, unique in its file.</param>
/// <param name="DType">The element type.</param>
/// <param name="Shape">The extents, outermost first; empty for a scalar.</param>
public record TensorDeclaration(string Name, SafetensorsDType DType, params long[] Shape);

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
    public static SafetensorsTensor From<T>(string name, ReadOnlySpan<T> elements, params long[] shape)
        where T : unmanaged =>
        new(name, SafetensorsElement.TypeOf<T>(), shape, MemoryMarshal.AsBytes(elements).ToArray());
}
