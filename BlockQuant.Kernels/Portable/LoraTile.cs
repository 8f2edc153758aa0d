using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>
/// The main loop of shrink and expand: one group multiplies gathered rows with one adapter's weights. A lane computes 8×4 of the tile over its
/// share of the depth, in float32 over one stretch of K with constant scales at a time, then scales and adds; the lanes' shares are summed last,
/// in a fixed order.
/// </summary>
internal static class LoraTile
{
    /// <summary>Floats of shared memory: a stage of both operands, later the lanes' sums.</summary>
    public const int SharedFloats = TileScheduler.PortableSharedBytes / sizeof(float);

    /// <summary>Finds the tokens of the tile's rows; −1 beyond the last. Ends behind a barrier.</summary>
    public static void Gather(LoraMapArguments map, LoraRows rows, ArrayView<int> tokens, int tileM)
    {
        for (int r = Group.IdxX; r < tileM; r += Group.DimX)
        {
            tokens[r] = r < rows.Count ? map.Token(rows.Position + r) : -1;
        }

        Group.Barrier();
    }

    public static LaneTile Multiply<TX, TXElement, TW, TWElement>(
        LoraInputArguments<TX> input,
        LoraSliceArguments<TW> weights,
        LoraShape shape,
        ArrayView<float> shared,
        ArrayView<int> tokens,
        long slice,
        long adapter,
        long column0,
        long begin,
        long end)
        where TX : unmanaged
        where TXElement : struct, IElement<TX>
        where TW : unmanaged
        where TWElement : struct, IElement<TW>
    {
        int strideA = shape.TileM + 1;
        int strideB = shape.TileN + 1;
        int baseB = shape.TileK * strideA;
        int laneRow = LaneRow(shape);
        int laneColumn = LaneColumn(shape);
        int depthLane = DepthLane(shape);
        ArrayView<TX> values = input.Values;
        long inputStart = slice * input.SliceStride;
        long weightStart = adapter * weights.AdapterStride;
        var total = default(LaneTile);
        long k0 = begin;
        while (k0 < end)
        {
            // The scales are constant up to the nearer block edge of either operand.
            long edgeA = ((k0 + input.ColumnOffset) / input.BlockColumns + 1) * input.BlockColumns - input.ColumnOffset;
            long edgeB = ((k0 + weights.ColumnOffset) / weights.BlockColumns + 1) * weights.BlockColumns - weights.ColumnOffset;
            long k1 = Math.Min(end, Math.Min(edgeA, edgeB));
            var partial = default(LaneTile);
            for (long k = k0; k < k1; k += shape.TileK)
            {
                int depth = (int)Math.Min(shape.TileK, k1 - k);
                for (int i = Group.IdxX; i < shape.TileM * depth; i += Group.DimX)
                {
                    int r = i / depth;
                    int d = i - r * depth;
                    int token = tokens[r];
                    float value = 0f;
                    if (token >= 0)
                    {
                        value = TXElement.Decode(values[inputStart + token * input.Columns + k + d]);
                        if (input.Cast != 0)
                        {
                            value = TWElement.Decode(TWElement.Encode(value));
                        }
                    }

                    shared[d * strideA + r] = value;
                }

                for (int i = Group.IdxX; i < shape.TileN * depth; i += Group.DimX)
                {
                    int c = i / depth;
                    int d = i - c * depth;
                    long column = column0 + c;
                    shared[baseB + d * strideB + c] = column < weights.Rows
                        ? TWElement.Decode(weights.Values[weightStart + column * weights.RowStride + k + d])
                        : 0f;
                }

                Group.Barrier();
                for (int d = depthLane; d < depth; d += shape.DepthLanes)
                {
                    int pa = d * strideA + laneRow;
                    int pb = baseB + d * strideB + laneColumn;
                    partial = LaneTile.MultiplyAdd(
                        partial,
                        shared[pa],
                        shared[pa + 1],
                        shared[pa + 2],
                        shared[pa + 3],
                        shared[pa + 4],
                        shared[pa + 5],
                        shared[pa + 6],
                        shared[pa + 7],
                        shared[pb],
                        shared[pb + 1],
                        shared[pb + 2],
                        shared[pb + 3]);
                }

                Group.Barrier();
            }

            var rowScale = new Lane8
            {
                V0 = RowScale(input, tokens, slice, laneRow, k0),
                V1 = RowScale(input, tokens, slice, laneRow + 1, k0),
                V2 = RowScale(input, tokens, slice, laneRow + 2, k0),
                V3 = RowScale(input, tokens, slice, laneRow + 3, k0),
                V4 = RowScale(input, tokens, slice, laneRow + 4, k0),
                V5 = RowScale(input, tokens, slice, laneRow + 5, k0),
                V6 = RowScale(input, tokens, slice, laneRow + 6, k0),
                V7 = RowScale(input, tokens, slice, laneRow + 7, k0),
            };
            long last = weights.Rows - 1;
            long column1 = column0 + laneColumn;
            var columnScale = new Lane4
            {
                V0 = weights.Scale(adapter, Math.Min(column1, last), k0),
                V1 = weights.Scale(adapter, Math.Min(column1 + 1, last), k0),
                V2 = weights.Scale(adapter, Math.Min(column1 + 2, last), k0),
                V3 = weights.Scale(adapter, Math.Min(column1 + 3, last), k0),
            };
            total = LaneTile.Promote(total, partial, rowScale, columnScale);
            k0 = k1;
        }

        return total;
    }

    /// <summary>Puts every lane's sums into shared memory, for <see cref="Sum"/>. Ends behind a barrier.</summary>
    public static void Share(LaneTile tile, ArrayView<float> shared, LoraShape shape)
    {
        int start = (DepthLane(shape) * shape.TileM + LaneRow(shape)) * shape.TileN + LaneColumn(shape);
        for (int r = 0; r < TileScheduler.LaneRows; r++)
        {
            Lane4 values = tile.Row(r);
            shared[start] = values.V0;
            shared[start + 1] = values.V1;
            shared[start + 2] = values.V2;
            shared[start + 3] = values.V3;
            start += shape.TileN;
        }

        Group.Barrier();
    }

    /// <summary>One element of the tile: the sum over the lanes that shared its depth.</summary>
    public static float Sum(ArrayView<float> shared, LoraShape shape, int row, int column)
    {
        int element = row * shape.TileN + column;
        float sum = shared[element];
        for (int lane = 1; lane < shape.DepthLanes; lane++)
        {
            sum += shared[lane * shape.TileM * shape.TileN + element];
        }

        return sum;
    }

    private static int LaneRow(LoraShape shape)
        => Group.IdxX / (shape.TileN / TileScheduler.LaneColumns) % (shape.TileM / TileScheduler.LaneRows) * TileScheduler.LaneRows;

    private static int LaneColumn(LoraShape shape)
        => Group.IdxX % (shape.TileN / TileScheduler.LaneColumns) * TileScheduler.LaneColumns;

    private static int DepthLane(LoraShape shape)
        => Group.IdxX / (shape.TileN / TileScheduler.LaneColumns * (shape.TileM / TileScheduler.LaneRows));

    private static float RowScale<TX>(LoraInputArguments<TX> input, ArrayView<int> tokens, long slice, int row, long k)
        where TX : unmanaged
        => tokens[row] < 0 ? 0f : input.Scale(slice, tokens[row], k);
}
