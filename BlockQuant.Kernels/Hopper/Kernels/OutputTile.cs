using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// A warp's 16 accumulator rows to global memory: staged 128 bytes wide in two shared buffers that the warp alone uses, then written
/// as whole lines. Ordinary stores, because their edges may be ragged and because they need no fence between stages, as the copy
/// engine's would.
/// </summary>
internal static class OutputTile
{
    /// <summary>Shared memory of a warp's two buffers.</summary>
    public const int StagingBytes = 2 * BufferBytes;

    private const int BufferBytes = 2048;

    /// <summary>Writes the part of the tile that lies within [rows, columns].</summary>
    /// <param name="acc">This lane's fields of a 64 × <paramref name="tileN"/> tile.</param>
    /// <param name="tileN">Columns; a constant.</param>
    /// <param name="staging">The warp's two buffers.</param>
    /// <param name="output">Global address of the output.</param>
    /// <param name="pitch">Bytes from one output row to the next.</param>
    /// <param name="type">An <see cref="OutputType"/>.</param>
    /// <param name="vector">Not 0 where every 16-byte chunk is whole and aligned.</param>
    /// <param name="m0">Output row of the warp's first row.</param>
    /// <param name="n0">Output column of the tile's first.</param>
    /// <param name="rows">Rows of the output that may be written.</param>
    /// <param name="columns">Columns of the output.</param>
    /// <param name="integers">True where the product was of integers, whose promotion does not gain by the order of pairs.</param>
    public static void Store<TAcc>(
        TAcc acc, int tileN, int staging, long output, long pitch, int type, int vector, int m0, int n0, int rows, int columns,
        bool integers = false)
        where TAcc : unmanaged
    {
        if (type == (int)OutputType.Single)
        {
            StoreSingle(acc, tileN, staging, output + m0 * pitch + (long)n0 * 4, pitch, vector, rows - m0, columns - n0, integers);
            return;
        }
        long target = output + m0 * pitch + (long)n0 * 2;
        if (type == (int)OutputType.BFloat16)
            StorePacked(acc, false, tileN, staging, target, pitch, vector, rows - m0, columns - n0);
        else
            StorePacked(acc, true, tileN, staging, target, pitch, vector, rows - m0, columns - n0);
    }

    private static void StorePacked<TAcc>(
        TAcc acc, bool half, int tileN, int staging, long target, long pitch, int vector, int rows, int columns)
        where TAcc : unmanaged
    {
        int lane = Group.IdxX & 31;
        int row = Pin.Int32(staging + (lane & 15) * 128), swizzle = Pin.Int32((lane >> 4 ^ lane & 7) << 4);
        PackedPass(acc, half, 0, row, swizzle);
        Copy(staging, 2, target, pitch, vector, rows, columns, Math.Min(tileN, 64));
        if (tileN > 64)
        {
            PackedPass(acc, half, 32, row + BufferBytes, swizzle);
            Copy(staging + BufferBytes, 2, target + 128, pitch, vector, rows, columns - 64, Math.Min(tileN - 64, 64));
        }
        if (tileN > 128)
        {
            PackedPass(acc, half, 64, row, swizzle);
            Copy(staging, 2, target + 256, pitch, vector, rows, columns - 128, Math.Min(tileN - 128, 64));
        }
        if (tileN > 192)
        {
            PackedPass(acc, half, 96, row + BufferBytes, swizzle);
            Copy(staging + BufferBytes, 2, target + 384, pitch, vector, rows, columns - 192, Math.Min(tileN - 192, 64));
        }
        Warpgroup.SyncWarp();
    }

    private static void PackedPass<TAcc>(TAcc acc, bool half, int first, int row, int swizzle)
        where TAcc : unmanaged
    {
        if (half)
            Epilogue.StageHalf(acc, first, row, swizzle);
        else
            Epilogue.StageBFloat16(acc, first, row, swizzle);
    }

    private static void StoreSingle<TAcc>(TAcc acc, int tileN, int staging, long target, long pitch, int vector, int rows, int columns, bool integers)
        where TAcc : unmanaged
    {
        SinglePass(acc, 0, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 32, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 64, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 96, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 128, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 160, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 192, tileN, staging, target, pitch, vector, rows, columns, integers);
        SinglePass(acc, 224, tileN, staging, target, pitch, vector, rows, columns, integers);
        Warpgroup.SyncWarp();
    }

    private static void SinglePass<TAcc>(
        TAcc acc, int column, int tileN, int staging, long target, long pitch, int vector, int rows, int columns, bool integers)
        where TAcc : unmanaged
    {
        if (column >= tileN)
            return;
        int lane = Group.IdxX & 31, buffer = staging + (column >> 5 & 1) * BufferBytes;
        int row = Pin.Int32(buffer + (lane >> 2) * 128 + (lane & 1) * 8), swizzle = Pin.Int32((lane >> 1 & 1 ^ lane >> 2) << 4);
        if (integers)
            Epilogue.StageSingle(acc, column / 2, row, swizzle);
        else
            Epilogue.StageSwappedSingle(acc, column / 2, row, swizzle);
        Copy(buffer, 4, target + column * 4, pitch, vector, rows, columns - column, Math.Min(tileN - column, 32), !integers);
    }

    // One pass: the warp's 16 rows of up to 128 bytes. A buffer is filled again two passes later, behind the next pass's SyncWarp.
    private static void Copy(int staged, int size, long target, long pitch, int vector, int rows, int columns, int width, bool swapped = false)
    {
        Warpgroup.SyncWarp();
        int lane = Group.IdxX & 31;
        int first = Math.Min(columns, width);
        if (vector != 0)
        {
            int r = lane >> 3, chunk = lane & 7;
            int exists = chunk * (16 / size) < first ? rows - r : 0;
            if (!swapped)
                Shared.CopyRows(staged + r * 128 + ((chunk ^ r) << 4), target + r * pitch + chunk * 16, pitch * 4, exists);
            else
                Shared.CopySwappedRows(staged + r * 128 + ((chunk ^ r) << 4), target + r * pitch + chunk * 16, pitch * 4, exists);
            return;
        }
        for (int i = 0; i < 16; i++)
        {
            for (int column = lane; column < width; column += 32)
            {
                int offset = column * size;
                int source = staged + i * 128 + ((offset >> 4 ^ i & 7) << 4) + (offset & 15);
                int exists = i < rows && column < first ? 1 : 0;
                if (size == 2)
                    Shared.Copy2(source, target + i * pitch + offset, exists);
                else
                    Shared.Copy4(swapped ? source ^ 4 : source, target + i * pitch + offset, exists);
            }
        }
    }
}
