using BlockQuant.Devices;
using ILGPU;

namespace BlockQuant.Kernels;

/// <summary>
/// Lays an argument struct out as compiled kernels take it: C's layout, a view being the address of its first element and its number of
/// elements. Not by reflection, so that it works in trimmed and ahead-of-time compiled apps, and allocates nothing.
/// </summary>
internal unsafe ref struct ArgumentBlock
{
    /// <summary>The most bytes that a kernel's arguments may take on any GPU.</summary>
    public const int Capacity = 4096;

    private readonly Span<byte> bytes;

    /// <summary>Lays arguments out in <paramref name="bytes"/>, of which those that only pad are left as they are.</summary>
    public ArgumentBlock(Span<byte> bytes) => this.bytes = bytes;

    /// <summary>Bytes laid out so far.</summary>
    public int Length { get; private set; }

    public void Add<T>(ArrayView<T> view)
        where T : unmanaged
    {
        // An empty view may have no memory behind it.
        Add(view.Length == 0 ? 0L : ViewMemory.Address(view));
        Add(view.Length);
    }

    public void Add(long value)
    {
        Align(sizeof(long));
        BitConverter.TryWriteBytes(bytes[Length..], value);
        Length += sizeof(long);
    }

    public void Add(int value)
    {
        BitConverter.TryWriteBytes(bytes[Length..], value);
        Length += sizeof(int);
    }

    public void Add(float value) => Add(BitConverter.SingleToInt32Bits(value));

    public void Add<T>(in T nested)
        where T : struct, IKernelArguments
    {
        Align(T.Alignment);
        nested.Write(ref this);
        Align(T.Alignment);
    }

    private void Align(int alignment) => Length = (Length + alignment - 1) & -alignment;
}
