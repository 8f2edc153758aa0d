using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>An operand of a tensor-core product: rows in shared memory, found through matrix descriptors.</summary>
internal static class MatrixOperand
{
    /// <summary>Bytes of a row in a block of K: four k-steps of 32.</summary>
    public const int RowBytes = 128;

    private const int StepBytes = 32;
    private const int ChunkBytes = 16;
    private const int Swizzle128 = 1;

    /// <summary>The bytes of rows, in order.</summary>
    /// <param name="memory">The block's shared memory.</param>
    /// <param name="low">The low word of the first k-step's descriptor.</param>
    /// <param name="rows">How many rows.</param>
    public static byte[] Read(BlockMemory memory, int low, int rows)
    {
        const int high = Wgmma.DescriptorHigh;
        if ((uint)high >> 30 != Swizzle128)
            throw new NotSupportedException($"A matrix descriptor of high word 0x{high:x}.");
        int groupBytes = (high & 0x3FFF) << 4;
        var bytes = new byte[rows * RowBytes];
        for (int row = 0; row < rows; row++)
        {
            for (int at = 0; at < RowBytes; at += ChunkBytes)
            {
                // A k-step's descriptor differs in its start alone; rows of 8-row groups are 128 bytes apart.
                int start = (low + at / StepBytes * (StepBytes >> 4) & 0x3FFF) << 4;
                int address = BlockMemory.Swizzled(start + row / 8 * groupBytes + row % 8 * RowBytes + at % StepBytes);
                MemoryMarshal.Write(bytes.AsSpan(row * RowBytes + at), memory.Load<Int128>(address));
            }
        }
        return bytes;
    }
}
