using System.Buffers;
using System.Runtime.InteropServices;

namespace BlockQuant.Host;

/// <summary>Memory for intermediate values, aligned to cache lines: pooled, or the system's own where it is larger than an array should be.</summary>
internal sealed unsafe class HostWorkspace : IDisposable
{
    private const int Alignment = 64;
    private const long MaxPooled = 1 << 30;

    private readonly byte[]? array;
    private GCHandle handle;

    public HostWorkspace(long bytes)
    {
        if (bytes > MaxPooled)
        {
            Start = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
            return;
        }

        array = ArrayPool<byte>.Shared.Rent((int)bytes + Alignment);
        handle = GCHandle.Alloc(array, GCHandleType.Pinned);
        Start = (byte*)(((nuint)handle.AddrOfPinnedObject() + Alignment - 1) & ~(nuint)(Alignment - 1));
    }

    /// <summary>The memory; what it holds at first is anything.</summary>
    public byte* Start { get; }

    public static HostWorkspace Floats(long count) => new(checked(count * sizeof(float)));

    public void Dispose()
    {
        if (array is null)
        {
            NativeMemory.AlignedFree(Start);
            return;
        }

        handle.Free();
        ArrayPool<byte>.Shared.Return(array);
    }
}
