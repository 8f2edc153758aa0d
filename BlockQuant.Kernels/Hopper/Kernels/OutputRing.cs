using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// Finished tiles on their way to global memory: boxes of 64 rows and 64 two-byte columns, two shared buffers for each of two
/// warpgroups. The warpgroups fill them, one warp hands them to the copy engine, and the product of the next tiles goes on meanwhile:
/// all multiprocessors finish their tiles at about the same time, and L2 takes that burst more slowly than the warps could write it.
/// </summary>
internal static class OutputRing
{
    /// <summary>Columns of a box.</summary>
    public const int BoxColumns = 64;

    /// <summary>Rows of a box: a warpgroup's.</summary>
    public const int BoxRows = 64;

    /// <summary>Shared memory of the boxes.</summary>
    public const int Bytes = 2 * GroupBytes;

    /// <summary>Shared memory of one warpgroup's boxes.</summary>
    public const int GroupBytes = Buffers * BoxBytes;

    /// <summary>Shared memory of the ring's barriers: a box is staged, a box is free.</summary>
    public const int BarrierBytes = 2 * GroupBarrierBytes;

    /// <summary>Shared memory of one warpgroup's barriers.</summary>
    public const int GroupBarrierBytes = 2 * Buffers * 8;

    // A warpgroup that shared buffers with the other could be two phases ahead of a barrier, which its parity does not tell.
    private const int Buffers = 2;
    private const int BoxBytes = BoxRows * BoxColumns * 2;

    /// <summary>Whether tiles of a width divide into boxes, more than one.</summary>
    public static bool Takes(int tileN) => tileN > BoxColumns && tileN % BoxColumns == 0;

    /// <summary>Boxes of a warpgroup's part of a tile.</summary>
    public static int Boxes(int tileN) => tileN / BoxColumns;

    /// <summary>Prepares the barriers; one thread, which publishes them afterwards.</summary>
    public static void Initialize(int barriers)
    {
        for (int i = 0; i < 4 * Buffers; i++)
            MBarrier.Initialize(barriers + i * 8, i / Buffers % 2 == 0 ? 4 : 1);
    }

    /// <summary>Rounds a warpgroup's 64 × <paramref name="tileN"/> sums into the next boxes of the ring.</summary>
    /// <param name="acc">This lane's fields.</param>
    /// <param name="tileN">Columns; a constant.</param>
    /// <param name="type">An <see cref="OutputType"/> of two bytes.</param>
    /// <param name="boxes">Shared address of the warpgroup's boxes.</param>
    /// <param name="barriers">Shared address of the warpgroup's barriers.</param>
    /// <param name="box">The first box's number, counted over all of the warpgroup's tiles.</param>
    public static void Stage<TAcc>(TAcc acc, int tileN, int type, int boxes, int barriers, int box)
        where TAcc : unmanaged
    {
        int lane = Group.IdxX & 31, warp = Group.IdxX >> 5 & 3;
        int row = Pin.Int32(boxes + warp * 2048 + (lane & 15) * 128), swizzle = Pin.Int32((lane >> 4 ^ lane & 7) << 4);
        if (type == (int)OutputType.BFloat16)
        {
            StagePass(acc, false, 0, row, swizzle, barriers, box);
            StagePass(acc, false, 32, row, swizzle, barriers, box + 1);
            if (tileN > 128)
                StagePass(acc, false, 64, row, swizzle, barriers, box + 2);
            if (tileN > 192)
                StagePass(acc, false, 96, row, swizzle, barriers, box + 3);
        }
        else
        {
            StagePass(acc, true, 0, row, swizzle, barriers, box);
            StagePass(acc, true, 32, row, swizzle, barriers, box + 1);
            if (tileN > 128)
                StagePass(acc, true, 64, row, swizzle, barriers, box + 2);
            if (tileN > 192)
                StagePass(acc, true, 96, row, swizzle, barriers, box + 3);
        }
    }

    /// <summary>Waits until a box is staged, has the copy engine write it, and frees it once it is read; one warp.</summary>
    /// <param name="boxes">Shared address of its warpgroup's boxes.</param>
    /// <param name="barriers">Shared address of its warpgroup's barriers.</param>
    /// <param name="box">The box's number among the warpgroup's.</param>
    /// <param name="column">Output column of its first element; what lies past the output's end is not written.</param>
    /// <param name="row">Output row of its first element; likewise.</param>
    public static void Store(int boxes, int barriers, int box, int column, int row)
    {
        int buffer = Pin.Int32(box & Buffers - 1);
        MBarrier.Wait(barriers + buffer * 8, box / Buffers & 1);
        Tma.Store(boxes + buffer * BoxBytes, Tma.MapC(), column, row, barriers + (Buffers + buffer) * 8);
    }

    private static void StagePass<TAcc>(TAcc acc, bool half, int first, int row, int swizzle, int barriers, int box)
        where TAcc : unmanaged
    {
        int buffer = Pin.Int32(box & Buffers - 1);
        MBarrier.Wait(barriers + (Buffers + buffer) * 8, box / Buffers & 1 ^ 1);
        if (half)
            Epilogue.StageHalf(acc, first, row + buffer * BoxBytes, swizzle);
        else
            Epilogue.StageBFloat16(acc, first, row + buffer * BoxBytes, swizzle);
        MBarrier.ArriveStaged(barriers + buffer * 8);
    }
}
