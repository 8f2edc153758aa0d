using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>A row-major matrix [<see cref="Rows"/>, <see cref="Columns"/>] in device memory that its holder owns.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class DeviceMatrix<T> : IDisposable
    where T : unmanaged
{
    private readonly DeviceBuffer<T> buffer;

    /// <summary>Allocates an uninitialised matrix.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <exception cref="ArgumentException">The shape is negative, or has more elements than a 64-bit integer counts.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public DeviceMatrix(ComputeDevice device, long rows, long columns)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        buffer = device.Allocate<T>(Require.Elements("matrix", rows, columns));
        Rows = rows;
        Columns = columns;
    }

    /// <summary>Rows.</summary>
    public long Rows { get; }

    /// <summary>Columns.</summary>
    public long Columns { get; }

    /// <summary>The device that holds the matrix.</summary>
    public ComputeDevice Device => buffer.Device;

    /// <summary>The matrix as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The matrix is disposed.</exception>
    public MatrixView<T> View => new(buffer.View, Rows, Columns);

    /// <summary>Copies rows × columns elements from the host and waits for the copy.</summary>
    /// <param name="source">The elements, row after row.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The length is not rows × columns.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, AcceleratorStream? stream = null) => buffer.CopyFrom(source, stream);

    /// <summary>Copies rows × columns elements to the host and waits for the copy.</summary>
    /// <param name="destination">Gets the elements, row after row.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The length is not rows × columns.</exception>
    public void CopyTo(Span<T> destination, AcceleratorStream? stream = null) => buffer.CopyTo(destination, stream);

    /// <summary>Copies elements from the host into a part of the matrix and waits for the copy: a matrix of any size is filled so, piece by piece.</summary>
    /// <param name="source">The elements, row after row.</param>
    /// <param name="offset">Where the first goes: its row × columns + its column.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The part reaches beyond the matrix.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, long offset, AcceleratorStream? stream = null) => buffer.CopyFrom(source, offset, stream);

    /// <summary>Copies a part of the matrix to the host and waits for the copy.</summary>
    /// <param name="destination">Gets the elements, row after row, as many as it has room for.</param>
    /// <param name="offset">Where the first is: its row × columns + its column.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The part reaches beyond the matrix.</exception>
    public void CopyTo(Span<T> destination, long offset, AcceleratorStream? stream = null) => buffer.CopyTo(destination, offset, stream);

    /// <summary>Copies all elements to a new array, row after row.</summary>
    public T[] ToArray() => buffer.ToArray();

    /// <summary>Frees the memory.</summary>
    public void Dispose() => buffer.Dispose();
}
