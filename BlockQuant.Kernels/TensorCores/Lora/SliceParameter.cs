using System.Runtime.InteropServices;
using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>
/// The weights [adapters, rows, columns] of one slice. A launch takes <see cref="Capacity"/> of them as one parameter, which a group reads at the
/// place of its own slice.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal partial struct SliceParameter
{
    /// <summary>Slices that one launch can take.</summary>
    public const int Capacity = 8;

    /// <summary>Bytes of one.</summary>
    public const int Bytes = 80;

    /// <summary>The parameter's name in PTX.</summary>
    public const string Name = "slices";

    /// <summary>Values or codes.</summary>
    public long Values;

    /// <summary>Bytes from one adapter to the next.</summary>
    public long AdapterPitch;

    /// <summary>Bytes from one row to the next.</summary>
    public long RowPitch;

    /// <summary>Scales; 0 where there are none.</summary>
    public long Scales;

    /// <summary>Bytes from one adapter's scales to the next's.</summary>
    public long ScaleAdapterPitch;

    /// <summary>Bytes from one row of scales to the next.</summary>
    public long ScaleRowPitch;

    /// <summary>The column of the output row where an expand of this slice begins.</summary>
    public long OutputColumn;

    /// <summary>Rows: the rank in shrink, output columns in expand.</summary>
    public int Rows;

    /// <summary>Depth: K in shrink, the rank in expand.</summary>
    public int Columns;

    /// <summary>Rows that share a scale, as a power of two.</summary>
    public int ScaleRowShift;

    /// <summary>Rows of the first scale block that lie before this shard.</summary>
    public int ScaleRowOffset;

    /// <summary>Bytes from the scale of 128 columns to the next; 0 where one scale covers a row.</summary>
    public int ScaleStep;

    private readonly int padding;

    /// <summary>The slice at a place of the launch's parameter.</summary>
    public static SliceParameter Read(int slice)
    {
        int offset = slice * Bytes;
        return new SliceParameter
        {
            Values = ReadInt64(offset, 0),
            AdapterPitch = ReadInt64(offset, 8),
            RowPitch = ReadInt64(offset, 16),
            Scales = ReadInt64(offset, 24),
            ScaleAdapterPitch = ReadInt64(offset, 32),
            ScaleRowPitch = ReadInt64(offset, 40),
            OutputColumn = ReadInt64(offset, 48),
            Rows = ReadInt32(offset, 56),
            Columns = ReadInt32(offset, 60),
            ScaleRowShift = ReadInt32(offset, 64),
            ScaleRowOffset = ReadInt32(offset, 68),
            ScaleStep = ReadInt32(offset, 72),
        };
    }

    /// <summary>Where the scales of a row of weights lie behind the adapter's first; those of the last row for rows beyond it.</summary>
    public readonly long ScaleRow(int row) => (Math.Min(row, Rows - 1) + ScaleRowOffset >> ScaleRowShift) * ScaleRowPitch;

    /// <summary>Eight bytes of the parameter, <paramref name="field"/> bytes behind an offset.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b64 a, o; mov.b64 a, slices; cvt.s64.s32 o, $0; add.s64 a, a, o; ld.param.b64 $d, [a+$1]; }")]
    public static partial long ReadInt64(int offset, int field);

    /// <summary>Four bytes of the parameter, <paramref name="field"/> bytes behind an offset.</summary>
    [IntrinsicImplementation]
    [Ptx("{ .reg .b64 a, o; mov.b64 a, slices; cvt.s64.s32 o, $0; add.s64 a, a, o; ld.param.b32 $d, [a+$1]; }")]
    public static partial int ReadInt32(int offset, int field);
}
