using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// A warp's 16 accumulator rows to global memory, so that the warp waits neither for others nor for the copy engine: boxes of 64 two-byte
/// columns are staged in two shared buffers that the warp alone uses. The first boxes it writes itself, as <see cref="OutputTile"/> does; the
/// last two, whose buffers nothing else needs until the next tile is finished, the copy engine writes while that tile is multiplied.
/// </summary>
internal static class OutputBoxes
{
    /// <summary>Columns of a box.</summary>
    public const int Columns = 64;

    /// <summary>Rows of a box: a warp's.</summary>
    public const int Rows = 16;

    private const int BoxBytes = Rows * Columns * 2;

    /// <summary>Whether tiles of a width divide into boxes.</summary>
    public static bool Takes(int tileN) => tileN % Columns == 0;

    /// <summary>Starts to write a tile.</summary>
    /// <param name="acc">This lane's fields of a 64 × <paramref name="tileN"/> tile.</param>
    /// <param name="tileN">Columns; a constant.</param>
    /// <param name="staging">The warp's two buffers, of <see cref="OutputTile.StagingBytes"/> together.</param>
    /// <param name="lane">This lane.</param>
    /// <param name="output">Global address of the output; it and the pitch are multiples of 16, and rows end with a whole 16 bytes.</param>
    /// <param name="pitch">Bytes from one output row to the next.</param>
    /// <param name="type">An <see cref="OutputType"/> of two bytes.</param>
    /// <param name="m0">Output row of the warp's first row.</param>
    /// <param name="n0">Output column of the tile's first.</param>
    /// <param name="rows">Rows of the output.</param>
    /// <param name="columns">Columns of the output.</param>
    public static void Store<TAcc>(
        TAcc acc, int tileN, int staging, int lane, long output, long pitch, int type, int m0, int n0, int rows, int columns)
        where TAcc : unmanaged
    {
        long target = output + m0 * pitch + (long)n0 * 2;
        if (type == (int)OutputType.BFloat16)
            Store(acc, false, tileN, staging, lane, target, pitch, m0, n0, rows, columns);
        else
            Store(acc, true, tileN, staging, lane, target, pitch, m0, n0, rows, columns);
    }

    /// <summary>Waits until the copy engine has read what a warp has staged: before its block ends.</summary>
    public static void Finish() => Tma.AwaitReads();

    private static void Store<TAcc>(
        TAcc acc, bool half, int tileN, int staging, int lane, long target, long pitch, int m0, int n0, int rows, int columns)
        where TAcc : unmanaged
    {
        int row = Pin.Int32(staging + (lane & 15) * 128), swizzle = Pin.Int32((lane >> 4 ^ lane & 7) << 4);
        int boxes = tileN / Columns;
        long map = Tma.MapC();
        // The last tile's boxes were read long ago, unless there was hardly anything to multiply.
        Tma.AwaitReads();
        if (boxes > 2)
        {
            Stage(acc, half, 0, row, swizzle);
            Copy(staging, lane, target, pitch, rows - m0, columns - n0);
        }
        if (boxes > 3)
        {
            Stage(acc, half, 1, row + BoxBytes, swizzle);
            Copy(staging + BoxBytes, lane, target + 128, pitch, rows - m0, columns - n0 - Columns);
        }
        if (boxes > 2)
            Warpgroup.SyncWarp();
        if (boxes > 1)
        {
            Stage(acc, half, boxes - 2, row, swizzle);
            Stage(acc, half, boxes - 1, row + BoxBytes, swizzle);
            Tma.StoreStagedPair(staging, staging + BoxBytes, map, n0 + (boxes - 2) * Columns, n0 + (boxes - 1) * Columns, m0);
        }
        else
        {
            Stage(acc, half, boxes - 1, row, swizzle);
            Tma.StoreStaged(staging, map, n0, m0);
        }
    }

    // As OutputTile copies whole vectors, without a branch, which ILGPU would take for the whole warp's.
    private static void Copy(int staged, int lane, long target, long pitch, int rows, int columns)
    {
        Warpgroup.SyncWarp();
        int row = lane >> 3, chunk = lane & 7;
        int exists = rows - row & chunk * 8 - columns >> 31;
        Shared.CopyRows(staged + row * 128 + ((chunk ^ row) << 4), target + row * pitch + chunk * 16, pitch * 4, exists);
    }

    private static void Stage<TAcc>(TAcc acc, bool half, int box, int row, int swizzle)
        where TAcc : unmanaged
    {
        if (half)
            Epilogue.StageHalf(acc, box * 32, row, swizzle);
        else
            Epilogue.StageBFloat16(acc, box * 32, row, swizzle);
    }
}
