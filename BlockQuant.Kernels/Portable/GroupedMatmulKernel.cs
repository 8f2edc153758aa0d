using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="GroupedMatmulKernel"/>.</summary>
internal struct GroupedMatmulArguments<TSourceArguments, TBits> : IKernelArguments
    where TSourceArguments : struct, IKernelArguments
    where TBits : unmanaged
{
    public TSourceArguments Activations;

    /// <summary>Columns that one activation scale covers, and how many of them lie before the first column.</summary>
    public long ActivationBlock;

    public long ActivationOffset;

    /// <summary>The stack [E, N, K].</summary>
    public QuantizedWeights Weights;

    public ExpertRows Experts;

    /// <summary>Tile offsets [E + 1], from <see cref="ExpertTileOffsetsKernel"/>.</summary>
    public ArrayView<int> TileOffsets;

    public ArrayView<TBits> Output;
    public long RowTiles;
    public TileShape Shape;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Activations);
        block.Add(ActivationBlock);
        block.Add(ActivationOffset);
        block.Add(Weights);
        block.Add(Experts);
        block.Add(TileOffsets);
        block.Add(Output);
        block.Add(RowTiles);
        block.Add(Shape);
    }
}

/// <summary>
/// C [S, N]: each row of A [S, K] times the weights of its expert, rows sorted by expert. A row tile finds its expert by a binary search in the
/// tile offsets; the grid has tiles enough for any distribution, and those that no expert owns end at once.
/// </summary>
/// <remarks>
/// Method: finegrained-fp8 <c>w8a8_block_fp8_matmul_grouped</c> over full-precision rows, <c>fp8_groupwise_scaled_group_gemm</c> over codes.
/// </remarks>
internal static class GroupedMatmulKernel
{
    public static void Run<TFormat, TSource, TSourceArguments, TBits, TElement>(GroupedMatmulArguments<TSourceArguments, TBits> a)
        where TFormat : struct, ICodeFormat
        where TSource : struct, IActivationSource<TSourceArguments>
        where TSourceArguments : struct, IKernelArguments
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        ArrayView<float> stages = SharedMemory.Allocate<float>(MatmulTile.SharedFloats);
        ArrayView<float> rowScales = SharedMemory.Allocate<float>(TileScheduler.MaxTileM);
        long columnTiles = MatrixIndex.CeilDivide(a.Weights.N, a.Shape.TileN);
        for (long tile = Grid.IdxX; tile < a.RowTiles * columnTiles; tile += Grid.DimX)
        {
            long rowTile = a.Shape.RowTile(tile, a.RowTiles, columnTiles);
            int expert = ExpertTiles.Owner(a.TileOffsets, a.Experts.Experts, rowTile);
            if (expert != ExpertTileMap.Unused)
            {
                long row0 = a.Experts.Begin(expert) + (rowTile - a.TileOffsets[expert]) * a.Shape.TileM;
                long rowEnd = a.Experts.End(expert);
                long column0 = a.Shape.ColumnTile(tile, a.RowTiles, columnTiles) * a.Shape.TileN;
                LaneTile result = MatmulTile.Multiply<TFormat, TSource, TSourceArguments>(
                    a.Activations,
                    a.Weights.Expert(expert),
                    a.Shape,
                    stages,
                    rowScales,
                    row0,
                    rowEnd,
                    column0,
                    a.ActivationBlock,
                    a.ActivationOffset);
                MatmulTile.Store<TBits, TElement>(result, a.Output, a.Shape, row0, rowEnd, column0, a.Weights.N);

                // The next tile's first stage must not overwrite what a slower lane still reads.
                Group.Barrier();
            }
        }
    }
}
