using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.Cuda;

/// <summary>The 128-byte descriptor that the copy engine (TMA) reads a matrix by.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct TensorMap
{
    private const int UInt8 = 0, UInt16 = 1, Float32 = 7, NoSwizzle = 0, Swizzle128 = 3, Promote128 = 2, Promote256 = 3;

    /// <summary>
    /// Writes the map of a row-major byte matrix [rows, columns], copied in boxes of
    /// <paramref name="boxRows"/> × 128 bytes with the 128-byte swizzle that wgmma reads. Rows and columns beyond the matrix read as 0.
    /// </summary>
    /// <param name="map">Where the map goes; 64-byte aligned.</param>
    /// <param name="address">Device address; a multiple of 16.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Bytes of a row that exist.</param>
    /// <param name="pitch">Bytes from one row to the next; a multiple of 16.</param>
    /// <param name="boxRows">Rows a box has, at most 256.</param>
    public static void EncodeBytes(TensorMap* map, IntPtr address, long rows, long columns, long pitch, int boxRows) =>
        Encode(map, UInt8, address, rows, columns, pitch, boxRows, 128, Swizzle128, Promote256);

    /// <summary>Writes the map of row-major float32 scales [rows, columns], copied in boxes that lie as they are. Rows beyond the last read as 0.</summary>
    /// <param name="map">Where the map goes; 64-byte aligned.</param>
    /// <param name="address">Device address; a multiple of 16.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Scales of a row.</param>
    /// <param name="pitch">Bytes from one row to the next; a multiple of 16.</param>
    /// <param name="boxRows">Rows a box has, at most 256.</param>
    /// <param name="boxColumns">Scales a box row has, a multiple of 4.</param>
    public static void EncodeScales(TensorMap* map, IntPtr address, long rows, long columns, long pitch, int boxRows, int boxColumns) =>
        Encode(map, Float32, address, rows, columns, pitch, boxRows, boxColumns, NoSwizzle, Promote128);

    /// <summary>
    /// Writes the map of a row-major output of 2-byte elements [rows, columns], written in boxes whose rows are 128-byte swizzled.
    /// </summary>
    /// <param name="map">Where the map goes; 64-byte aligned.</param>
    /// <param name="address">Device address; a multiple of 16.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Elements of a row that exist.</param>
    /// <param name="pitch">Elements from one row to the next; a multiple of 8.</param>
    /// <param name="boxRows">Rows a box has, at most 256.</param>
    /// <param name="boxColumns">Elements a box row has, at most 64.</param>
    public static void EncodeOutput(TensorMap* map, IntPtr address, long rows, long columns, long pitch, int boxRows, int boxColumns) =>
        Encode(map, UInt16, address, rows, columns, pitch * 2, boxRows, boxColumns, Swizzle128, promotion: 0);

    private static void Encode(
        TensorMap* map, int type, IntPtr address, long rows, long columns, long pitchBytes, int boxRows, int boxColumns, int swizzle, int promotion)
    {
        ulong* sizes = stackalloc ulong[2] { (ulong)columns, (ulong)rows };
        ulong* strides = stackalloc ulong[1] { (ulong)pitchBytes };
        uint* box = stackalloc uint[2] { (uint)boxColumns, (uint)boxRows };
        uint* steps = stackalloc uint[2] { 1, 1 };
        CudaDriver.Check(CudaDriver.cuTensorMapEncodeTiled(
            map, type, 2, address, sizes, strides, box, steps, interleave: 0, swizzle, promotion, outOfBounds: 0));
    }
}
