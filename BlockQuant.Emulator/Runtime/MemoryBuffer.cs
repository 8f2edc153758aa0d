using System.Diagnostics.CodeAnalysis;
using BlockQuant.Emulator;

namespace ILGPU.Runtime;

/// <summary>Owned memory of some device. A buffer of another device than the host derives from this class.</summary>
public abstract unsafe class MemoryBuffer : IDisposable
{
    private int disposed;

    /// <summary>Describes memory that the derived class has allocated.</summary>
    /// <param name="nativePtr">The address on the buffer's device.</param>
    /// <param name="lengthInBytes">The number of bytes.</param>
    /// <param name="isHostAccessible">Whether the host, and so an emulated kernel, may use the address.</param>
    protected MemoryBuffer(IntPtr nativePtr, long lengthInBytes, bool isHostAccessible)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthInBytes);
        NativePtr = nativePtr;
        LengthInBytes = lengthInBytes;
        IsHostAccessible = isHostAccessible;
        if (isHostAccessible)
            DirectOrigin = (byte*)nativePtr;
    }

    /// <summary>Frees memory that was never disposed of.</summary>
    ~MemoryBuffer() => Free();

    /// <summary>The address on the buffer's device.</summary>
    public IntPtr NativePtr { get; }

    /// <summary>The number of bytes.</summary>
    public long LengthInBytes { get; }

    /// <summary>Whether the host may use <see cref="NativePtr"/>.</summary>
    public bool IsHostAccessible { get; }

    /// <summary>Whether the buffer was disposed of.</summary>
    public bool IsDisposed => disposed != 0;

    /// <summary>The device that the memory is of; null where its holder does not say.</summary>
    internal object? Owner { get; set; }

    /// <summary>Where a view may access memory after its bounds check; null where each access must ask <see cref="Access"/>.</summary>
    internal byte* DirectOrigin { get; private protected set; }

    /// <summary>A view of a part of the buffer.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="offset">The first element, in elements of <typeparamref name="T"/>.</param>
    /// <param name="length">The number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The view would pass the buffer's bounds.</exception>
    public ArrayView<T> AsArrayView<T>(long offset, long length)
        where T : unmanaged
        => new(this, offset, length);

    /// <summary>A view of all bytes.</summary>
    public ArrayView<byte> AsRawArrayView() => new(this, 0, LengthInBytes);

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory; called once.</summary>
    protected abstract void DisposeBuffer();

    /// <summary>Checks an access that is within its view's bounds, and returns its address.</summary>
    /// <param name="kind">Whether it reads or writes.</param>
    /// <param name="byteOffset">Its first byte, from the buffer's start.</param>
    /// <param name="size">The number of bytes.</param>
    /// <param name="index">The element's index in its view, for a fault to name.</param>
    /// <param name="length">The view's number of elements, for a fault to name.</param>
    internal virtual byte* Access(AccessKind kind, long byteOffset, long size, long index, long length)
    {
        if (IsDisposed)
            ThrowFault(FaultKind.DisposedBuffer, index, length, "the buffer was disposed of");
        if (!IsHostAccessible)
            ThrowFault(FaultKind.DeviceMemoryAccess, index, length, "the buffer is a device's memory, which the host may not touch");
        return (byte*)NativePtr + byteOffset;
    }

    [DoesNotReturn]
    private protected static void ThrowFault(FaultKind kind, long index, long length, string reason) =>
        throw EmulatorFaultException.At(kind, index, length, $"index {index} of a view of {length} elements: {reason}");

    private void Free()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        DirectOrigin = null;
        DisposeBuffer();
    }
}
