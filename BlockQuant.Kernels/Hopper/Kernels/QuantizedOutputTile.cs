using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// A warp's 16 accumulator rows to INT8 codes and scales in global memory, one scale for a row and 128 columns. The columns of a
/// group lie in four lanes, so its largest magnitude needs no shared memory; the codes are staged as <see cref="OutputTile"/> does.
/// </summary>
internal static class QuantizedOutputTile
{
    private const int Block = 128;
    private const int BufferBytes = 2048;

    /// <summary>Writes the part of the tile that lies within [rows, columns].</summary>
    /// <param name="acc">This lane's fields of a 64 × <paramref name="tileN"/> tile.</param>
    /// <param name="tileN">Columns, 128 or 256; a constant.</param>
    /// <param name="staging">The warp's two buffers.</param>
    /// <param name="codes">Global address of the codes.</param>
    /// <param name="pitch">Bytes from one row of codes to the next.</param>
    /// <param name="scales">Global address of the scales, row-major.</param>
    /// <param name="nearest">Not 0 rounds to nearest even, 0 toward zero.</param>
    /// <param name="vector">Not 0 where every 16-byte chunk is whole and aligned.</param>
    /// <param name="m0">Output row of the warp's first row.</param>
    /// <param name="n0">Output column of the tile's first.</param>
    /// <param name="rows">Rows of the output.</param>
    /// <param name="columns">Columns of the output.</param>
    public static void Store<TAcc>(
        TAcc acc, int tileN, int staging, long codes, long pitch, long scales, int nearest, int vector, int m0, int n0, int rows, int columns)
        where TAcc : unmanaged
    {
        StoreGroup(acc, 0, staging, codes, pitch, scales, nearest, vector, m0, n0, rows, columns);
        if (tileN > Block)
            StoreGroup(acc, 64, staging + BufferBytes, codes, pitch, scales, nearest, vector, m0, n0 + Block, rows, columns);
        Warpgroup.SyncWarp();
    }

    private static void StoreGroup<TAcc>(
        TAcc acc, int first, int staging, long codes, long pitch, long scales, int nearest, int vector, int m0, int n0, int rows, int columns)
        where TAcc : unmanaged
    {
        int lane = Group.IdxX & 31, row = lane >> 2, column = (lane & 3) * 2;
        int rowsLeft = rows - m0, columnsLeft = columns - n0;
        var largest = QuantizingEpilogue.LargestOfRows(acc, first, columnsLeft - column);
        float upper = QuantizingEpilogue.OutputScale(largest.Upper), lower = QuantizingEpilogue.OutputScale(largest.Lower);
        int staged = Pin.Int32(staging + row * Block + column), swizzle = Pin.Int32(row << 4);
        if (nearest != 0)
            QuantizingEpilogue.StageCodesNearest(acc, first, staged, swizzle, upper, 1f / upper, lower, 1f / lower);
        else
            QuantizingEpilogue.StageCodesTowardZero(acc, first, staged, swizzle, upper, 1f / upper, lower, 1f / lower);
        int blocks = (columns + Block - 1) / Block;
        long target = scales + ((long)(m0 + row) * blocks + n0 / Block) * 4;
        int writes = column == 0 && columnsLeft > 0 ? 1 : 0;
        QuantizingEpilogue.StoreScale(upper, target, row < rowsLeft ? writes : 0);
        QuantizingEpilogue.StoreScale(lower, target + (long)blocks * 32, row + 8 < rowsLeft ? writes : 0);
        CopyCodes(staging, codes + m0 * pitch + n0, pitch, vector, rowsLeft, columnsLeft);
    }

    // The warp's 16 rows of 128 bytes. A buffer is filled again two groups later, behind another SyncWarp.
    private static void CopyCodes(int staged, long target, long pitch, int vector, int rows, int columns)
    {
        Warpgroup.SyncWarp();
        int lane = Group.IdxX & 31;
        if (vector != 0)
        {
            int r = lane >> 3, chunk = lane & 7;
            int exists = chunk * 16 < columns ? rows - r : 0;
            Shared.CopyRows(staged + r * Block + ((chunk ^ r) << 4), target + r * pitch + chunk * 16, pitch * 4, exists);
            return;
        }
        for (int i = 0; i < 16; i++)
        {
            for (int column = lane; column < Block; column += 32)
            {
                int source = staged + i * Block + ((column >> 4 ^ i & 7) << 4) + (column & 15);
                QuantizingEpilogue.CopyCode(source, target + i * pitch + column, i < rows && column < columns ? 1 : 0);
            }
        }
    }
}
