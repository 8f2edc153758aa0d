using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockScaledMatmulKernel"/>.</summary>
internal struct BlockScaledMatmulArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public QuantizedActivations Activations;
    public QuantizedWeights Weights;
    public ArrayView<TBits> Output;
    public long M;
    public TileShape Shape;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Activations);
        block.Add(Weights);
        block.Add(Output);
        block.Add(M);
        block.Add(Shape);
    }
}

/// <summary>C [M, N] = A [M, K] · B [N, K]ᵀ of pre-quantized operands, for every scale granularity.</summary>
/// <remarks>Method: finegrained-fp8 <c>w8a8_block_fp8_matmul</c> and <c>w8a8_tensor_fp8_matmul</c>.</remarks>
internal static class BlockScaledMatmulKernel
{
    public static void Run<TFormat, TBits, TElement>(BlockScaledMatmulArguments<TBits> a)
        where TFormat : struct, ICodeFormat
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        ArrayView<float> stages = SharedMemory.Allocate<float>(MatmulTile.SharedFloats);
        ArrayView<float> rowScales = SharedMemory.Allocate<float>(1);
        long rowTiles = MatrixIndex.CeilDivide(a.M, a.Shape.TileM);
        long columnTiles = MatrixIndex.CeilDivide(a.Weights.N, a.Shape.TileN);
        for (long tile = Grid.IdxX; tile < rowTiles * columnTiles; tile += Grid.DimX)
        {
            long row0 = a.Shape.RowTile(tile, rowTiles, columnTiles) * a.Shape.TileM;
            long column0 = a.Shape.ColumnTile(tile, rowTiles, columnTiles) * a.Shape.TileN;
            LaneTile result = MatmulTile.Multiply<TFormat, QuantizedActivationSource<TFormat>, QuantizedActivations>(
                a.Activations,
                a.Weights,
                a.Shape,
                stages,
                rowScales,
                row0,
                a.M,
                column0,
                a.Activations.BlockColumns,
                a.Activations.ColumnOffset);
            MatmulTile.Store<TBits, TElement>(result, a.Output, a.Shape, row0, a.M, column0, a.Weights.N);

            // The next tile's first stage must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
