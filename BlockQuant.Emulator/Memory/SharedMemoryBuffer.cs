using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant.Emulator;

/// <summary>One allocation in a group's shared memory.</summary>
/// <remarks>
/// Views of it are checked for races. The byte-addressed members are for the CPU bodies of asynchronous copies and
/// tensor core instructions: those are ordered by barriers that only their callers know, so they are checked for bounds,
/// alignment and initialisation, and not for races.
/// </remarks>
internal sealed unsafe class SharedMemoryBuffer : MemoryBuffer
{
    private readonly GroupSharedMemory memory;
    private readonly int start;

    internal SharedMemoryBuffer(GroupSharedMemory memory, int start, int lengthInBytes)
        : base((IntPtr)(memory.Origin + start), lengthInBytes, isHostAccessible: true)
    {
        this.memory = memory;
        this.start = start;
        DirectOrigin = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>The value at a byte address.</summary>
    public T Load<T>(long address)
        where T : unmanaged
    {
        CheckAligned<T>(address);
        return MemoryMarshal.Read<T>(ReadBytes(address, sizeof(T)));
    }

    /// <summary>Sets the value at a byte address.</summary>
    public void Store<T>(long address, T value)
        where T : unmanaged
    {
        CheckAligned<T>(address);
        MemoryMarshal.Write(WriteBytes(address, sizeof(T)), value);
    }

    /// <summary>Initialised bytes, for reading.</summary>
    public ReadOnlySpan<byte> ReadBytes(long address, int length)
    {
        CheckBounds(address, length, FaultKind.OutOfBoundsRead);
        long missing = memory.FirstUninitialised(start + address, length);
        if (missing >= 0)
        {
            ThrowFault(
                FaultKind.UninitialisedSharedRead,
                missing - start,
                LengthInBytes,
                $"byte {missing - start} of a read of {length} bytes at byte {address} was never written by this group");
        }
        return new ReadOnlySpan<byte>(memory.Origin + start + address, length);
    }

    /// <summary>Bytes for writing all of them; they count as initialised from now on.</summary>
    public Span<byte> WriteBytes(long address, int length)
    {
        CheckBounds(address, length, FaultKind.OutOfBoundsWrite);
        memory.Initialise(start + address, length);
        return new Span<byte>(memory.Origin + start + address, length);
    }

    internal override byte* Access(AccessKind kind, long byteOffset, long size, long index, long length)
    {
        long at = start + byteOffset;
        if (!memory.Note(kind, at, size))
            ThrowClash(kind, at, size, index, length);
        return memory.Origin + at;
    }

    protected override void DisposeBuffer()
    {
    }

    [DoesNotReturn]
    private void ThrowClash(AccessKind kind, long at, long size, long index, long length)
    {
        (FaultKind fault, string reason) = memory.Explain(kind, at, size);
        ThrowFault(fault, index, length, reason);
    }

    private void CheckBounds(long address, int length, FaultKind fault)
    {
        if (address < 0 || length < 0 || address > LengthInBytes - length)
            ThrowFault(fault, address, LengthInBytes, $"{length} bytes at byte {address} of {LengthInBytes} bytes of shared memory");
    }

    private void CheckAligned<T>(long address)
        where T : unmanaged
    {
        if (address % sizeof(T) != 0)
            ThrowFault(FaultKind.MisalignedAccess, address, LengthInBytes, $"byte {address} must be aligned to {sizeof(T)}");
    }
}
