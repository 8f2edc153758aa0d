using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant.Emulator;

/// <summary>The emulated device's global memory. Pages that are never touched cost nothing.</summary>
internal sealed unsafe class HostMemoryBuffer : MemoryBuffer
{
    private const int Alignment = 256;

    private readonly Action<long> released;
    private readonly byte* allocation;

    // One byte for each byte of the buffer, 1 once it was written; null where reads of uninitialised memory go unchecked.
    private readonly byte* written;

    private HostMemoryBuffer(byte* allocation, byte* written, long lengthInBytes, Action<long> released)
        : base((IntPtr)Align(allocation), lengthInBytes, isHostAccessible: true)
    {
        this.allocation = allocation;
        this.written = written;
        this.released = released;
        if (written != null)
            DirectOrigin = null;
    }

    /// <summary>Allocates zeroed memory.</summary>
    /// <param name="lengthInBytes">The number of bytes.</param>
    /// <param name="trackWrites">Whether a read of memory that was never written is a fault.</param>
    /// <param name="released">Called with the length when the memory is freed.</param>
    public static HostMemoryBuffer Allocate(long lengthInBytes, bool trackWrites, Action<long> released)
    {
        // Zeroed memory of this size comes from the system page by page on first touch.
        byte* allocation = (byte*)NativeMemory.AllocZeroed((nuint)lengthInBytes + Alignment);
        byte* written = null;
        if (trackWrites)
        {
            try
            {
                written = (byte*)NativeMemory.AllocZeroed((nuint)lengthInBytes + 1);
            }
            catch (OutOfMemoryException)
            {
                NativeMemory.Free(allocation);
                throw;
            }
        }
        return new HostMemoryBuffer(allocation, written, lengthInBytes, released);
    }

    internal override byte* Access(AccessKind kind, long byteOffset, long size, long index, long length)
    {
        byte* address = base.Access(kind, byteOffset, size, index, length);
        if (written == null)
            return address;
        if (kind != AccessKind.Write && !IsWritten(byteOffset, size))
            ThrowFault(FaultKind.UninitialisedGlobalRead, index, length, "nothing was ever written there");
        if (kind != AccessKind.Read)
            NativeMemory.Fill(written + byteOffset, (nuint)size, 1);
        return address;
    }

    protected override void DisposeBuffer()
    {
        NativeMemory.Free(allocation);
        NativeMemory.Free(written);
        released(LengthInBytes);
    }

    private static byte* Align(byte* address) => (byte*)(((nuint)address + Alignment - 1) & ~(nuint)(Alignment - 1));

    private bool IsWritten(long byteOffset, long size)
    {
        for (; size > int.MaxValue; size -= int.MaxValue, byteOffset += int.MaxValue)
        {
            if (new ReadOnlySpan<byte>(written + byteOffset, int.MaxValue).ContainsAnyExcept((byte)1))
                return false;
        }
        return !new ReadOnlySpan<byte>(written + byteOffset, (int)size).ContainsAnyExcept((byte)1);
    }
}
