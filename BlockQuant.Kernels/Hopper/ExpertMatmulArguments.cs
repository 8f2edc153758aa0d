using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>A product over rows sorted by expert as the grouped kernels take it, their common parameters in order.</summary>
internal struct ExpertMatmulArguments
{
    public long Output;
    public long OutputPitch;
    public int OutputType;
    public int Vector;
    public long RowScales;
    public long RowPitch;

    /// <summary>From one block's scale to the next block's; 0 where the copy engine brings the activations' scales.</summary>
    public long BlockPitch;
    public long WeightScales;
    public int Rows;
    public int Columns;
    public int Depth;
    public long Ends;
    public long TileOffsets;
    public int Experts;

    /// <summary>For <see cref="BatchedDecodeKernel"/> alone, in place of <see cref="Ends"/> and <see cref="TileOffsets"/>.</summary>
    public long Ids;

    /// <summary>For <see cref="GroupedDecodeKernel"/> alone, its last.</summary>
    public long OutputRows;

    /// <summary>For the others, their last.</summary>
    public int GroupM;

    /// <summary>The parameters of a call: pitches in bytes.</summary>
    public static ExpertMatmulArguments Of(in ExpertMatmulCall call)
    {
        // Sixteen bytes at a time from prefill, four elements at a time from decode.
        int chunk = call.Plan.Kind != HopperKernelKind.GroupedPrefill ? 4 * call.ElementBytes : 16;
        long outputPitch = (long)call.N * call.ElementBytes;
        return new ExpertMatmulArguments
        {
            Output = call.Output,
            OutputPitch = outputPitch,
            OutputType = (int)call.OutputType,
            Vector = (call.Output | outputPitch) % chunk == 0 ? 1 : 0,
            RowScales = call.ActivationScales,
            RowPitch = call.ScaleRowStride * sizeof(float),
            BlockPitch = BringsScales(call) ? 0 : call.ScaleBlockStride * sizeof(float),
            WeightScales = call.WeightScales,
            Rows = call.Rows,
            Columns = call.N,
            Depth = call.K,
            Ends = call.Ends,
            TileOffsets = call.TileOffsets,
            Experts = call.Experts,
            Ids = call.Ids,
            OutputRows = call.OutputRows,
            GroupM = call.Plan.GroupM,
        };
    }

    /// <summary>Rows of a box of activations that the copy engine brings.</summary>
    public static int BoxRows(in ExpertMatmulCall call) => IsRagged(call) ? GroupedRaggedKernel.PieceM : call.Plan.TileM;

    /// <summary>Blocks of the launch, which depend on shapes alone.</summary>
    public static int Blocks(in ExpertMatmulCall call, int multiprocessors)
    {
        long rowTiles = Math.Min(call.Rows, ExpertTileMap.RowTiles(call.Rows, call.Experts, call.Plan.TileM));
        long tiles = rowTiles * HopperKernels.Tiles(call.N, call.Plan.TileN);
        return call.Plan.Kind == HopperKernelKind.BatchedDecode ? checked((int)tiles) : (int)Math.Min(tiles, multiprocessors);
    }

    // As for MatmulArguments: 16 bytes of each row at a time. Only the ragged kernel leaves that to the copy engine.
    private static bool BringsScales(in ExpertMatmulCall call) =>
        IsRagged(call) && call.ScaleBlockStride == 1 && HopperKernels.Tiles(call.K, 128) % ScaleSlots.Blocks == 0
        && ((call.ActivationScales | call.WeightScales | call.ScaleRowStride * sizeof(float)) & 15) == 0;

    private static bool IsRagged(in ExpertMatmulCall call) =>
        call.Plan.Kind == HopperKernelKind.GroupedPrefill && call.Plan.TileN == GroupedRaggedKernel.TileN;
}
