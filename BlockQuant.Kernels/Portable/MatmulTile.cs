using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Quantized weights [N, K] of one expert or layer, and their scale grid.</summary>
internal struct QuantizedWeights : IKernelArguments
{
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public long N;
    public long K;
    public long ScaleRows;
    public long ScaleColumns;
    public long BlockRows;
    public long BlockColumns;

    /// <summary>Rows of the first scale block that lie before this shard.</summary>
    public long RowOffset;

    /// <summary>Columns of the first scale block that lie before this shard.</summary>
    public long ColumnOffset;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Codes);
        block.Add(Scales);
        block.Add(N);
        block.Add(K);
        block.Add(ScaleRows);
        block.Add(ScaleColumns);
        block.Add(BlockRows);
        block.Add(BlockColumns);
        block.Add(RowOffset);
        block.Add(ColumnOffset);
    }

    /// <summary>The weights of one expert out of a stack [E, N, K].</summary>
    public readonly QuantizedWeights Expert(long expert)
    {
        QuantizedWeights slice = this;
        slice.Codes = Codes.SubView(expert * N * K, N * K);
        slice.Scales = Scales.SubView(expert * ScaleRows * ScaleColumns, ScaleRows * ScaleColumns);
        return slice;
    }
}

/// <summary>The numbers of a <see cref="TilePlan"/> that a kernel reads.</summary>
internal struct TileShape : IKernelArguments
{
    public int TileM;
    public int TileN;
    public int TileK;
    public int GroupM;
    public int Stages;

    /// <inheritdoc/>
    public static int Alignment => 4;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(TileM);
        block.Add(TileN);
        block.Add(TileK);
        block.Add(GroupM);
        block.Add(Stages);
    }

    public static TileShape Of(TilePlan plan) => new()
    {
        TileM = plan.TileM,
        TileN = plan.TileN,
        TileK = plan.TileK,
        GroupM = plan.GroupM,
        Stages = plan.Stages,
    };

    /// <summary>The row tile of a tile index: row tiles run fastest inside a group of <see cref="GroupM"/>, so that a group's weights stay in L2.</summary>
    public readonly long RowTile(long tile, long rowTiles, long columnTiles)
    {
        long group = tile / (GroupM * columnTiles);
        long height = Math.Min(GroupM, rowTiles - group * GroupM);
        return group * GroupM + (tile - group * GroupM * columnTiles) % height;
    }

    /// <summary>The column tile of a tile index.</summary>
    public readonly long ColumnTile(long tile, long rowTiles, long columnTiles)
    {
        long group = tile / (GroupM * columnTiles);
        long height = Math.Min(GroupM, rowTiles - group * GroupM);
        return (tile - group * GroupM * columnTiles) / height;
    }
}

/// <summary>
/// The main loop of every portable matrix product: one group computes one tile of A·Bᵀ, a lane 8×4 of it, in float32 over one stretch of K with
/// constant scales at a time, then scales and adds.
/// </summary>
/// <remarks>Method: DeepGEMM's promotion per 128-wide block, for any block shape and any ragged edge.</remarks>
internal static class MatmulTile
{
    /// <summary>Floats of shared memory for the stages.</summary>
    public const int SharedFloats = TileScheduler.PortableSharedBytes / sizeof(float);

    public static LaneTile Multiply<TFormat, TSource, TSourceArguments>(
        TSourceArguments activations,
        QuantizedWeights weights,
        TileShape shape,
        ArrayView<float> stages,
        ArrayView<float> rowScales,
        long row0,
        long rowEnd,
        long column0,
        long activationBlock,
        long activationOffset)
        where TFormat : struct, ICodeFormat
        where TSource : struct, IActivationSource<TSourceArguments>
        where TSourceArguments : struct
    {
        int strideA = shape.TileM + 1;
        int strideB = shape.TileN + 1;
        int stageFloats = shape.TileK * (strideA + strideB);
        int laneColumns = shape.TileN / TileScheduler.LaneColumns;
        int laneRow = Group.IdxX / laneColumns * TileScheduler.LaneRows;
        int laneColumn = Group.IdxX % laneColumns * TileScheduler.LaneColumns;
        var total = default(LaneTile);
        int stage = 0;
        long k0 = 0;
        while (k0 < weights.K)
        {
            // The scales are constant up to the nearer block edge of either operand.
            long edgeA = ((k0 + activationOffset) / activationBlock + 1) * activationBlock - activationOffset;
            long edgeB = ((k0 + weights.ColumnOffset) / weights.BlockColumns + 1) * weights.BlockColumns - weights.ColumnOffset;
            long k1 = Math.Min(weights.K, Math.Min(edgeA, edgeB));
            TSource.Prepare(activations, rowScales, row0, rowEnd, shape.TileM, k0, k1);
            var partial = default(LaneTile);
            for (long k = k0; k < k1; k += shape.TileK)
            {
                int depth = (int)Math.Min(shape.TileK, k1 - k);
                int baseA = stage * stageFloats;
                int baseB = baseA + shape.TileK * strideA;
                for (int i = Group.IdxX; i < shape.TileM * depth; i += Group.DimX)
                {
                    int r = i / depth;
                    int d = i - r * depth;
                    long row = row0 + r;
                    stages[baseA + d * strideA + r] = row < rowEnd ? TSource.Load(activations, rowScales, row0, row, k + d) : 0f;
                }

                for (int i = Group.IdxX; i < shape.TileN * depth; i += Group.DimX)
                {
                    int c = i / depth;
                    int d = i - c * depth;
                    long column = column0 + c;
                    stages[baseB + d * strideB + c] = column < weights.N ? TFormat.Decode(weights.Codes[column * weights.K + k + d]) : 0f;
                }

                Group.Barrier();
                for (int d = 0; d < depth; d++)
                {
                    int pa = baseA + d * strideA + laneRow;
                    int pb = baseB + d * strideB + laneColumn;
                    partial = LaneTile.MultiplyAdd(
                        partial,
                        stages[pa],
                        stages[pa + 1],
                        stages[pa + 2],
                        stages[pa + 3],
                        stages[pa + 4],
                        stages[pa + 5],
                        stages[pa + 6],
                        stages[pa + 7],
                        stages[pb],
                        stages[pb + 1],
                        stages[pb + 2],
                        stages[pb + 3]);
                }

                // With two stages the next barrier already separates this read from the write that reuses the stage.
                if (shape.Stages == 1)
                {
                    Group.Barrier();
                }
                else
                {
                    stage = stage + 1 == shape.Stages ? 0 : stage + 1;
                }
            }

            long last = rowEnd - 1;
            long laneRow0 = row0 + laneRow;
            var rowScale = new Lane8
            {
                V0 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0, last), k0),
                V1 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 1, last), k0),
                V2 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 2, last), k0),
                V3 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 3, last), k0),
                V4 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 4, last), k0),
                V5 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 5, last), k0),
                V6 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 6, last), k0),
                V7 = TSource.Scale(activations, rowScales, row0, Math.Min(laneRow0 + 7, last), k0),
            };
            long column1 = column0 + laneColumn;
            var columnScale = new Lane4
            {
                V0 = WeightScale(weights, column1, k0),
                V1 = WeightScale(weights, column1 + 1, k0),
                V2 = WeightScale(weights, column1 + 2, k0),
                V3 = WeightScale(weights, column1 + 3, k0),
            };
            total = LaneTile.Promote(total, partial, rowScale, columnScale);
            k0 = k1;
        }

        return total;
    }

    /// <summary>Adds a bias of one value a column [N], or nothing where it is empty.</summary>
    public static LaneTile AddBias(LaneTile tile, ArrayView<float> bias, TileShape shape, long column0)
    {
        if (bias.Length == 0)
        {
            return tile;
        }

        long last = bias.Length - 1;
        long column = column0 + Group.IdxX % (shape.TileN / TileScheduler.LaneColumns) * TileScheduler.LaneColumns;
        var values = new Lane4
        {
            V0 = bias[Math.Min(column, last)],
            V1 = bias[Math.Min(column + 1, last)],
            V2 = bias[Math.Min(column + 2, last)],
            V3 = bias[Math.Min(column + 3, last)],
        };
        return LaneTile.AddColumns(tile, values);
    }

    /// <summary>Writes a lane's tile to the output [M, N], cut at its edges.</summary>
    public static void Store<TBits, TElement>(LaneTile tile, ArrayView<TBits> output, TileShape shape, long row0, long rowEnd, long column0, long n)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        int laneColumns = shape.TileN / TileScheduler.LaneColumns;
        long row = row0 + Group.IdxX / laneColumns * TileScheduler.LaneRows;
        long column = column0 + Group.IdxX % laneColumns * TileScheduler.LaneColumns;
        int height = (int)Math.Min(TileScheduler.LaneRows, rowEnd - row);
        int width = (int)Math.Min(TileScheduler.LaneColumns, n - column);
        for (int r = 0; r < height; r++)
        {
            Lane4 values = tile.Row(r);
            long start = (row + r) * n + column;
            if (width > 0)
            {
                output[start] = TElement.Encode(values.V0);
            }

            if (width > 1)
            {
                output[start + 1] = TElement.Encode(values.V1);
            }

            if (width > 2)
            {
                output[start + 2] = TElement.Encode(values.V2);
            }

            if (width > 3)
            {
                output[start + 3] = TElement.Encode(values.V3);
            }
        }
    }

    /// <summary>The scale of a weight; a column past the last one has the last one's.</summary>
    public static float WeightScale(QuantizedWeights weights, long column, long k)
    {
        long inside = Math.Min(column, weights.N - 1);
        return weights.Scales[(inside + weights.RowOffset) / weights.BlockRows * weights.ScaleColumns + (k + weights.ColumnOffset) / weights.BlockColumns];
    }
}
