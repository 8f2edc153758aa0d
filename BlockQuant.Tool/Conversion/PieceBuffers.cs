using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Tool.Conversion;

/// <summary>The memory a job converts pieces in, used again for every piece of every tensor.</summary>
internal sealed class PieceBuffers
{
    private byte[] source = [];
    private byte[] target = [];
    private float[] scales = [];

    public Span<T> Source<T>(int count)
        where T : unmanaged => Take<T>(ref source, count);

    public Span<T> Target<T>(int count)
        where T : unmanaged => Take<T>(ref target, count);

    /// <summary>The source's memory as bytes, for work on several threads.</summary>
    public Memory<byte> SourceBytes(int count)
    {
        Take<byte>(ref source, count);
        return source.AsMemory(0, count);
    }

    public Span<float> Scales(int count)
    {
        if (scales.Length < count)
        {
            scales = new float[count];
        }

        return scales.AsSpan(0, count);
    }

    private static Span<T> Take<T>(ref byte[] buffer, int count)
        where T : unmanaged
    {
        int bytes = count * Unsafe.SizeOf<T>();
        if (buffer.Length < bytes)
        {
            buffer = GC.AllocateUninitializedArray<byte>(bytes);
        }

        return MemoryMarshal.Cast<byte, T>(buffer.AsSpan(0, bytes));
    }
}
