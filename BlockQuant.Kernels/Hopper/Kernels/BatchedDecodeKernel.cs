using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// The product of <see cref="GroupedDecodeKernel"/> for at most 32 rows, of which every warp finds the order itself: see
/// <see cref="BatchedRows"/>. It follows <see cref="BatchedQuantizeKernel"/> and begins beside it: the weights, which are nearly all there
/// is to read, are on their way while the rows are still quantized. A block takes one tile, in the manner of <see cref="DecodeKernel"/>;
/// two share a multiprocessor, so that one loads while the other begins or ends.
/// </summary>
/// <remarks>K is not split, so a result does not depend on the other rows or on the number of tiles.</remarks>
internal static class BatchedDecodeKernel
{
    /// <summary>Threads of a block: two warpgroups that multiply, a warp that loads weights and one that loads rows.</summary>
    public const int Threads = DecodeKernel.Threads;

    private const int TileM = BatchedRows.TileM;
    private const int TileN = DecodeKernel.TileN;

    /// <summary>Dynamic shared memory of a launch: half a multiprocessor's.</summary>
    public static int SharedBytes => DecodeKernel.SharedBytes(residents: 2);

    public static void Run(
        long output, long outputPitch, int outputType, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales,
        int rows, int columns, int depth, long ids, int experts)
    {
        // The quantizer lets this kernel start when all that is ahead of it has ended: nobody writes ids or weights any more.
        int lane = Pin.Int32(Group.IdxX & 31);
        int id = GlobalMemory.LoadCurrent4(ids + (long)lane * 4, Pin.Int32(lane < rows ? 1 : 0));
        int shared = Shared.Base(), stages = DecodeKernel.Stages(TileM, TileN, 0), group = Warpgroup.Index(), warp = Warpgroup.Warp();
        DecodeKernel.Enter(TileM, TileN, Threads, copies: true, group, shared, stages);
        var order = BatchedRows.Of(id, rows, experts);
        int tilesM = order.Tiles(), blockRows = Pin.Int32((columns + TileN - 1) / TileN), blocks = Pin.Int32((depth + 127) >> 7);
        Warpgroup.Sync(0, Threads);
        if (Grid.IdxX >= tilesM * blockRows)
        {
            // The kernel does not end before the quantizer, even where no row has an expert.
            DependentLaunch.Wait();
            return;
        }
        var tile = order.Tile(Grid.IdxX, tilesM, TileN);
        if (warp == 8)
            DecodeKernel.LoadWeights(TileM, TileN, shared, stages, Pin.Int32(tile.Expert * columns + tile.Column), 0, blocks, 1);
        DependentLaunch.Wait();
        if (warp == 9)
        {
            long weightScale = weightScales + ((long)tile.Expert * blockRows + (tile.Column >> 7)) * blocks * 4;
            DecodeKernel.LoadTokens(
                TileM, TileN, shared, stages, rowScales, rowPitch, blockPitch, weightScale, tile.Row, tile.End, 0, blocks);
        }
        var acc = default(Acc4);
        if (group < 2)
            acc = DecodeKernel.Multiply(acc, TileM, TileN, false, group, shared, stages, 0, blocks);
        // The sums take the place of the stages, which both warpgroups have left by then. Every thread passes the same barriers, as checkers
        // want it.
        Warpgroup.Sync(0, Threads);
        if (group < 2)
            Epilogue.StageColumns(acc, StagedSums.Address(shared), StagedSums.Pitch);
        Warpgroup.Sync(0, Threads);
        // A warp writes a row, four columns a lane.
        int row = order.RowAt(tile.Row + warp), column = Pin.Int32(tile.Column + lane * 4), count = Pin.Int32(columns - column);
        if (tile.Row + warp < tile.End)
        {
            // In a cluster of one block.
            var sum = Cluster.Sum(shared + warp * StagedSums.Pitch + lane * 16);
            OutputNeighbours.Store(sum, output + row * outputPitch, outputType, column, count, Pin.Int32(count > 3 ? vector : 0));
        }
    }
}
