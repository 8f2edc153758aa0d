using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BatchedMatmulKernel"/>.</summary>
internal struct BatchedMatmulArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Activations;

    /// <summary>The stack [E, N, K].</summary>
    public QuantizedWeights Weights;

    /// <summary>The expert of each row [S].</summary>
    public ArrayView<int> ExpertIds;

    public ArrayView<TBits> Output;
    public int Experts;

    /// <summary>Lanes that share the depth of a column; a power of two.</summary>
    public int LanesPerColumn;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Activations);
        block.Add(Weights);
        block.Add(ExpertIds);
        block.Add(Output);
        block.Add(Experts);
        block.Add(LanesPerColumn);
    }
}

/// <summary>
/// C [S, N]: each row of A [S, K] times the weights of its own expert. A group computes a few columns of one row: it quantizes the row once per
/// weight block into shared memory, and its lanes split columns and depth. A row whose expert does not exist is left as it was.
/// </summary>
/// <remarks>
/// Method: finegrained-fp8 <c>w8a8_block_fp8_matmul_batched</c>. The scale of each stretch of a row is the one that
/// <see cref="BlockQuantizeKernel"/> gives.
/// </remarks>
internal static class BatchedMatmulKernel
{
    /// <summary>The most lanes of a group.</summary>
    public const int MaxLanes = 256;

    /// <summary>Columns that one lane accumulates.</summary>
    public const int LaneColumns = 4;

    /// <summary>Depth that is in shared memory at a time.</summary>
    private const int Depth = 1024;

    public static void Run<TFormat, TBits, TElement>(BatchedMatmulArguments<TBits> a)
        where TFormat : struct, ICodeFormat
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        ArrayView<float> codes = SharedMemory.Allocate<float>(Depth);
        ArrayView<int> amaxes = SharedMemory.Allocate<int>(2);
        ArrayView<float> sums = SharedMemory.Allocate<float>(MaxLanes * LaneColumns);
        int tileN = Group.DimX / a.LanesPerColumn * LaneColumns;
        long columnTiles = MatrixIndex.CeilDivide(a.Weights.N, tileN);
        for (long tile = Grid.IdxX; tile < a.ExpertIds.Length * columnTiles; tile += Grid.DimX)
        {
            long row = tile / columnTiles;
            int expert = a.ExpertIds[row];
            if (expert >= 0 && expert < a.Experts)
            {
                long column0 = (tile - row * columnTiles) * tileN;
                Lane4 result = Multiply<TFormat, TBits, TElement>(a, a.Weights.Expert(expert), codes, amaxes, row, column0);
                Store<TBits, TElement>(a, result, sums, row, column0, tileN);
            }
        }
    }

    /// <summary>A lane's columns, summed over the lane's part of the depth.</summary>
    private static Lane4 Multiply<TFormat, TBits, TElement>(
        BatchedMatmulArguments<TBits> a, QuantizedWeights weights, ArrayView<float> codes, ArrayView<int> amaxes, long row, long column0)
        where TFormat : struct, ICodeFormat
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        int part = Group.IdxX % a.LanesPerColumn;
        long column = column0 + Group.IdxX / a.LanesPerColumn * LaneColumns;
        long start = row * weights.K;
        var total = default(Lane4);
        if (Group.IdxX < 2)
        {
            amaxes[Group.IdxX] = 0;
        }

        Group.Barrier();
        int slot = 0;
        long k0 = 0;
        while (k0 < weights.K)
        {
            long edge = ((k0 + weights.ColumnOffset) / weights.BlockColumns + 1) * weights.BlockColumns - weights.ColumnOffset;
            long k1 = Math.Min(weights.K, edge);
            int amax = 0;
            for (long k = k0 + Group.IdxX; k < k1; k += Group.DimX)
            {
                amax = Magnitude.Max(amax, Magnitude.Of(TElement.Decode(a.Activations[start + k])));
            }

            // A maximum of integers: the order of the atomics does not matter.
            ViewAtomics.Max(amaxes, slot, amax);
            Group.Barrier();
            amax = amaxes[slot];
            float scale = Magnitude.Scale<TFormat>(amax);
            var partial = default(Lane4);
            for (long k = k0; k < k1; k += Depth)
            {
                int depth = (int)Math.Min(Depth, k1 - k);
                if (k > k0)
                {
                    // The codes before are read no more.
                    Group.Barrier();
                }

                for (int d = Group.IdxX; d < depth; d += Group.DimX)
                {
                    codes[d] = TFormat.Decode(Magnitude.Encode<TFormat>(TElement.Decode(a.Activations[start + k + d]), scale, amax));
                }

                // The other slot was last read before the barrier above, and is next raised after the one below.
                if (k == k0 && Group.IdxX == 0)
                {
                    amaxes[1 - slot] = 0;
                }

                Group.Barrier();
                partial = Accumulate<TFormat>(partial, weights, codes, column, k, part, depth, a.LanesPerColumn);
            }

            total.V0 += partial.V0 * scale * MatmulTile.WeightScale(weights, column, k0);
            total.V1 += partial.V1 * scale * MatmulTile.WeightScale(weights, column + 1, k0);
            total.V2 += partial.V2 * scale * MatmulTile.WeightScale(weights, column + 2, k0);
            total.V3 += partial.V3 * scale * MatmulTile.WeightScale(weights, column + 3, k0);
            slot = 1 - slot;
            k0 = k1;
        }

        return total;
    }

    private static Lane4 Accumulate<TFormat>(
        Lane4 partial, QuantizedWeights weights, ArrayView<float> codes, long column, long k, int part, int depth, int step)
        where TFormat : struct, ICodeFormat
    {
        // Columns past the last one read the last one's weights, and are not stored.
        long last = weights.N - 1;
        long w0 = Math.Min(column, last) * weights.K + k;
        long w1 = Math.Min(column + 1, last) * weights.K + k;
        long w2 = Math.Min(column + 2, last) * weights.K + k;
        long w3 = Math.Min(column + 3, last) * weights.K + k;
        for (int d = part; d < depth; d += step)
        {
            float code = codes[d];
            partial.V0 += code * TFormat.Decode(weights.Codes[w0 + d]);
            partial.V1 += code * TFormat.Decode(weights.Codes[w1 + d]);
            partial.V2 += code * TFormat.Decode(weights.Codes[w2 + d]);
            partial.V3 += code * TFormat.Decode(weights.Codes[w3 + d]);
        }

        return partial;
    }

    /// <summary>Adds the parts of each column, in the order of the lanes, and writes the columns that exist.</summary>
    private static void Store<TBits, TElement>(
        BatchedMatmulArguments<TBits> a, Lane4 result, ArrayView<float> sums, long row, long column0, int tileN)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        int first = Group.IdxX / a.LanesPerColumn * LaneColumns * a.LanesPerColumn + Group.IdxX % a.LanesPerColumn;
        sums[first] = result.V0;
        sums[first + a.LanesPerColumn] = result.V1;
        sums[first + 2 * a.LanesPerColumn] = result.V2;
        sums[first + 3 * a.LanesPerColumn] = result.V3;
        Group.Barrier();
        int width = (int)Math.Min(tileN, a.Weights.N - column0);
        for (int c = Group.IdxX; c < width; c += Group.DimX)
        {
            float sum = 0f;
            for (int part = 0; part < a.LanesPerColumn; part++)
            {
                sum += sums[c * a.LanesPerColumn + part];
            }

            a.Output[row * a.Weights.N + column0 + c] = TElement.Encode(sum);
        }
    }
}
