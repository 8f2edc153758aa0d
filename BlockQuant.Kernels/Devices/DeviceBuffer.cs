using BlockQuant.Devices;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Device memory that its holder owns.</summary>
/// <typeparam name="T">The element type.</typeparam>
public abstract class DeviceBuffer<T> : IDisposable
    where T : unmanaged
{
    private readonly ArrayView<T> view;
    private int disposed;

    private protected DeviceBuffer(ComputeDevice device, ArrayView<T> view)
    {
        Device = device;
        this.view = view;
        device.BufferTaken(view.LengthInBytes);
    }

    /// <summary>The device that holds the memory.</summary>
    public ComputeDevice Device { get; }

    /// <summary>Elements.</summary>
    public long Length => view.Length;

    /// <summary>True after <see cref="Dispose"/>.</summary>
    public bool IsDisposed => Volatile.Read(ref disposed) != 0;

    /// <summary>The memory, to pass to operators of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The buffer, or the device that holds it, is disposed.</exception>
    public ArrayView<T> View
    {
        get
        {
            // A device takes its memory along, and so does a caller's own accelerator, which knows nothing of this buffer.
            ObjectDisposedException.ThrowIf(IsDisposed || ViewMemory.IsDisposed(view), this);
            ObjectDisposedException.ThrowIf(Device.IsDisposed, Device);
            return view;
        }
    }

    /// <summary>Copies elements from the host and waits for the copy.</summary>
    /// <param name="source">As many elements as the buffer has.</param>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, AcceleratorStream? stream = null)
    {
        RequireLength(source.Length, nameof(source));
        if (!source.IsEmpty)
        {
            CopyIn(View, source, Device.Ordered(stream));
        }
    }

    /// <summary>Copies elements to the host and waits for the copy.</summary>
    /// <param name="destination">As many elements as the buffer has.</param>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void CopyTo(Span<T> destination, AcceleratorStream? stream = null)
    {
        RequireLength(destination.Length, nameof(destination));
        if (!destination.IsEmpty)
        {
            CopyOut(View, destination, Device.Ordered(stream));
        }
    }

    /// <summary>Copies elements from the host into a part of the buffer and waits for the copy: a buffer of any length is filled so, piece by piece.</summary>
    /// <param name="source">The elements.</param>
    /// <param name="offset">Where in the buffer the first goes.</param>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The part reaches beyond the buffer.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, long offset, AcceleratorStream? stream = null)
    {
        RequirePart(source.Length, offset, nameof(source));
        if (!source.IsEmpty)
        {
            CopyIn(View.SubView(offset, source.Length), source, Device.Ordered(stream));
        }
    }

    /// <summary>Copies a part of the buffer to the host and waits for the copy.</summary>
    /// <param name="destination">Gets the elements, as many as it has room for.</param>
    /// <param name="offset">Where in the buffer the first is.</param>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The part reaches beyond the buffer.</exception>
    public void CopyTo(Span<T> destination, long offset, AcceleratorStream? stream = null)
    {
        RequirePart(destination.Length, offset, nameof(destination));
        if (!destination.IsEmpty)
        {
            CopyOut(View.SubView(offset, destination.Length), destination, Device.Ordered(stream));
        }
    }

    /// <summary>Copies all elements to a new array.</summary>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    public T[] ToArray(AcceleratorStream? stream = null)
    {
        var result = new T[Length];
        CopyTo(result, stream);
        return result;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
        {
            Device.BufferFreed(view.LengthInBytes);
            Release();
            GC.SuppressFinalize(this);
        }
    }

    private protected abstract void CopyIn(ArrayView<T> target, ReadOnlySpan<T> source, AcceleratorStream stream);

    private protected abstract void CopyOut(ArrayView<T> source, Span<T> target, AcceleratorStream stream);

    private protected abstract void Release();

    private void RequirePart(long length, long offset, string operand)
    {
        if (offset < 0 || offset > Length - length)
        {
            throw new ArgumentException($"{operand}: length {length} at {offset}; expected a part of the buffer, whose length is {Length}.", operand);
        }
    }

    private void RequireLength(long found, string operand)
    {
        if (found != Length)
        {
            throw new ArgumentException($"{operand}: length {found}; expected {Length}, the length of the buffer.", operand);
        }
    }
}
