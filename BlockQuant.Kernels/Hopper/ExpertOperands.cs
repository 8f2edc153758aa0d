using System.Runtime.InteropServices;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.Hopper;

/// <summary><see cref="ExpertTileOffsetsArguments"/> as the compiled kernel takes them: a view is an address and a number of elements.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ExpertTileOperands
{
    public IntPtr Offsets;
    public long OffsetCount;
    public int Lead;
    public int Experts;
    public int Rows;
    public int TileM;
    public IntPtr TileOffsets;
    public long TileOffsetCount;
    public IntPtr Status;
    public long StatusCount;
}

/// <summary><see cref="ExpertPlacesArguments"/> as the compiled kernel takes them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ExpertPlaceOperands
{
    public IntPtr Ids;
    public long IdCount;
    public IntPtr Places;
    public long PlaceCount;
    public IntPtr Rows;
    public long RowCount;
    public IntPtr Ends;
    public long EndCount;
    public IntPtr TileOffsets;
    public long TileOffsetCount;
    public IntPtr Status;
    public long StatusCount;
    public int Experts;
    public int TileM;
}

/// <summary><see cref="BatchedQuantizeArguments"/> as the compiled kernels take them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BatchedQuantizeOperands
{
    public VectorOperands Matrix;
    public IntPtr Ids;
    public long IdCount;
    public IntPtr Status;
    public long StatusCount;
    public int Experts;
}
