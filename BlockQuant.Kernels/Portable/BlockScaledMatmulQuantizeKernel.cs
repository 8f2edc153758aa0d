using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockScaledMatmulQuantizeKernel"/>.</summary>
internal struct BlockScaledMatmulQuantizeArguments : IKernelArguments
{
    public QuantizedActivations Activations;
    public QuantizedWeights Weights;

    /// <summary>One value for each of the N columns, or empty.</summary>
    public ArrayView<float> Bias;
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public long M;

    /// <summary>Columns that share one output scale.</summary>
    public int OutputBlock;

    /// <summary>Where the results begin in shared memory.</summary>
    public int ResultStart;
    public TileShape Shape;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Activations);
        block.Add(Weights);
        block.Add(Bias);
        block.Add(Codes);
        block.Add(Scales);
        block.Add(M);
        block.Add(OutputBlock);
        block.Add(ResultStart);
        block.Add(Shape);
    }
}

/// <summary>
/// C [M, N] = A [M, K] · B [N, K]ᵀ + bias [N], quantized per row and output block in the same pass: a group computes every column of one output
/// block for its rows and keeps them in shared memory, so nothing of full precision reaches global memory.
/// </summary>
/// <remarks>Method: the block-wise INT8 kernels' <c>int8_gemm_quant</c> and <c>int8_addmm_quant</c>.</remarks>
internal static class BlockScaledMatmulQuantizeKernel
{
    public static void Run<TFormat>(BlockScaledMatmulQuantizeArguments a)
        where TFormat : struct, ICodeFormat
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(MatmulTile.SharedFloats);
        ArrayView<int> amax = SharedMemory.Allocate<int>(QuantizedOutputScheduler.MaxTileM);
        ArrayView<float> scales = SharedMemory.Allocate<float>(QuantizedOutputScheduler.MaxTileM);
        long n = a.Weights.N;
        long rowTiles = MatrixIndex.CeilDivide(a.M, a.Shape.TileM);
        long blocks = MatrixIndex.CeilDivide(n, a.OutputBlock);
        for (long tile = Grid.IdxX; tile < rowTiles * blocks; tile += Grid.DimX)
        {
            long row0 = a.Shape.RowTile(tile, rowTiles, blocks) * a.Shape.TileM;
            long block = a.Shape.ColumnTile(tile, rowTiles, blocks);
            long column0 = block * a.OutputBlock;
            int height = (int)Math.Min(a.Shape.TileM, a.M - row0);
            int width = (int)Math.Min(a.OutputBlock, n - column0);
            for (int r = Group.IdxX; r < height; r += Group.DimX)
            {
                amax[r] = 0;
            }

            for (int offset = 0; offset < width; offset += a.Shape.TileN)
            {
                LaneTile result = MatmulTile.Multiply<TFormat, QuantizedActivationSource<TFormat>, QuantizedActivations>(
                    a.Activations,
                    a.Weights,
                    a.Shape,
                    shared,
                    scales,
                    row0,
                    a.M,
                    column0 + offset,
                    a.Activations.BlockColumns,
                    a.Activations.ColumnOffset);
                result = MatmulTile.AddBias(result, a.Bias, a.Shape, column0 + offset);

                // Results may lie where a slower lane still reads the last stage.
                Group.Barrier();
                Keep(result, a, shared, amax, height, width, offset);
            }

            Group.Barrier();
            for (int r = Group.IdxX; r < height; r += Group.DimX)
            {
                scales[r] = Magnitude.AtLeast(Magnitude.Scale<TFormat>(amax[r]), Int8Code.MinOutputScale);
                a.Scales[(row0 + r) * blocks + block] = scales[r];
            }

            Group.Barrier();
            for (int i = Group.IdxX; i < height * width; i += Group.DimX)
            {
                int r = i / width;
                int c = i - r * width;
                float value = shared[a.ResultStart + r * a.OutputBlock + c];
                a.Codes[(row0 + r) * n + column0 + c] = Magnitude.Encode<TFormat>(value, scales[r], amax[r]);
            }

            // The next tile must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }

    /// <summary>Puts a lane's tile among the results of the block, cut at its edges, and joins its magnitudes to those of its rows.</summary>
    private static void Keep(
        LaneTile tile, BlockScaledMatmulQuantizeArguments a, ArrayView<float> shared, ArrayView<int> amax, int height, int width, int offset)
    {
        int laneColumns = a.Shape.TileN / TileScheduler.LaneColumns;
        int row = Group.IdxX / laneColumns * TileScheduler.LaneRows;
        int column = offset + Group.IdxX % laneColumns * TileScheduler.LaneColumns;
        int rows = Math.Min(TileScheduler.LaneRows, height - row);
        int columns = Math.Min(TileScheduler.LaneColumns, width - column);
        for (int r = 0; r < rows; r++)
        {
            Lane4 values = tile.Row(r);
            int start = a.ResultStart + (row + r) * a.OutputBlock + column;
            int largest = 0;
            if (columns > 0)
            {
                shared[start] = values.V0;
                largest = Magnitude.Of(values.V0);
            }

            if (columns > 1)
            {
                shared[start + 1] = values.V1;
                largest = Magnitude.Max(largest, Magnitude.Of(values.V1));
            }

            if (columns > 2)
            {
                shared[start + 2] = values.V2;
                largest = Magnitude.Max(largest, Magnitude.Of(values.V2));
            }

            if (columns > 3)
            {
                shared[start + 3] = values.V3;
                largest = Magnitude.Max(largest, Magnitude.Of(values.V3));
            }

            ViewAtomics.Max(amax, row + r, largest);
        }
    }
}
