using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockScaledAddmmKernel"/>.</summary>
internal struct BlockScaledAddmmArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public QuantizedActivations Activations;
    public QuantizedWeights Weights;

    /// <summary>One value for each of the N columns.</summary>
    public ArrayView<float> Bias;
    public ArrayView<TBits> Output;
    public long M;
    public TileShape Shape;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Activations);
        block.Add(Weights);
        block.Add(Bias);
        block.Add(Output);
        block.Add(M);
        block.Add(Shape);
    }
}

/// <summary>C [M, N] = A [M, K] · B [N, K]ᵀ + bias [N], the bias added in float32 before the result is rounded.</summary>
/// <remarks>Method: the block-wise INT8 kernels' <c>int8_addmm</c>.</remarks>
internal static class BlockScaledAddmmKernel
{
    public static void Run<TFormat, TBits, TElement>(BlockScaledAddmmArguments<TBits> a)
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
            result = MatmulTile.AddBias(result, a.Bias, a.Shape, column0);
            MatmulTile.Store<TBits, TElement>(result, a.Output, a.Shape, row0, a.M, column0, a.Weights.N);

            // The next tile's first stage must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
