using System.Runtime.CompilerServices;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Cuda;

/// <summary>The 128-byte descriptor that the copy engine (TMA) reads a matrix by.</summary>
[InlineArray(128 / sizeof(ulong))]
internal unsafe struct TensorMap
{
    // Writing a map costs the driver 80 ns. A model has some hundreds of weights, and calls its operators with the same buffers again.
    private static readonly FunctionCache<TensorMapping, TensorMap> Known = new(1024, Encode);
    private ulong words;

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
        *map = Known.Result(TensorMapping.Bytes(address, rows, columns, pitch, boxRows));

    /// <summary>Writes the map of row-major float32 scales [rows, columns], copied in boxes that lie as they are. Rows beyond the last read as 0.</summary>
    /// <param name="map">Where the map goes; 64-byte aligned.</param>
    /// <param name="address">Device address; a multiple of 16.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Scales of a row.</param>
    /// <param name="pitch">Bytes from one row to the next; a multiple of 16.</param>
    /// <param name="boxRows">Rows a box has, at most 256.</param>
    /// <param name="boxColumns">Scales a box row has, a multiple of 4.</param>
    public static void EncodeScales(TensorMap* map, IntPtr address, long rows, long columns, long pitch, int boxRows, int boxColumns) =>
        *map = Known.Result(TensorMapping.Scales(address, rows, columns, pitch, boxRows, boxColumns));

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
        *map = Known.Result(TensorMapping.Output(address, rows, columns, pitch, boxRows, boxColumns));

    // The driver is told nothing but the mapping, which is what a map is found again by.
    private static TensorMap Encode(TensorMapping mapping)
    {
        byte* space = stackalloc byte[sizeof(TensorMap) + 63];
        var map = (TensorMap*)(((nint)space + 63) & ~63);
        ulong* sizes = stackalloc ulong[2] { (ulong)mapping.Columns, (ulong)mapping.Rows };
        ulong* strides = stackalloc ulong[1] { (ulong)mapping.PitchBytes };
        uint* box = stackalloc uint[2] { (uint)mapping.BoxColumns, (uint)mapping.BoxRows };
        uint* steps = stackalloc uint[2] { 1, 1 };
        CudaDriver.Check(CudaDriver.cuTensorMapEncodeTiled(
            map, mapping.Type, 2, mapping.Address, sizes, strides, box, steps, interleave: 0, mapping.Swizzle, mapping.Promotion, outOfBounds: 0));
        return *map;
    }
}
