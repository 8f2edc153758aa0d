using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockQuantizeKernel"/>.</summary>
internal struct BlockQuantizeArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Source;
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public long Rows;
    public long Columns;
    public long BlockRows;
    public long BlockColumns;

    /// <summary>Lanes that share one block; a power of two.</summary>
    public int LanesPerBlock;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(Codes);
        block.Add(Scales);
        block.Add(Rows);
        block.Add(Columns);
        block.Add(BlockRows);
        block.Add(BlockColumns);
        block.Add(LanesPerBlock);
    }
}

/// <summary>
/// Quantizes every block of a matrix by its own largest magnitude: 1×128 blocks for activations, 128×128 for weights, any other shape.
/// </summary>
/// <remarks>Method: finegrained-fp8 <c>fp8_act_quant</c> and the DeepSeek-V3 weight blocks.</remarks>
internal static class BlockQuantizeKernel
{
    /// <summary>The most lanes in a group; shared memory holds one partial maximum for each.</summary>
    public const int MaxLanes = 256;

    public static void Run<TBits, TElement, TFormat>(BlockQuantizeArguments<TBits> a)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        ArrayView<int> partial = SharedMemory.Allocate<int>(MaxLanes);
        int lane = Group.IdxX % a.LanesPerBlock;
        int first = Group.IdxX - lane;
        int blocksPerGroup = Group.DimX / a.LanesPerBlock;
        long blockColumnCount = MatrixIndex.CeilDivide(a.Columns, a.BlockColumns);
        long blocks = MatrixIndex.CeilDivide(a.Rows, a.BlockRows) * blockColumnCount;
        long steps = MatrixIndex.CeilDivide(blocks, (long)blocksPerGroup * Grid.DimX);
        for (long step = 0; step < steps; step++)
        {
            // All lanes of a group take the same number of steps, so that they meet at the same barriers.
            long block = (step * Grid.DimX + Grid.IdxX) * blocksPerGroup + first / a.LanesPerBlock;
            bool present = block < blocks;
            long blockRow = block / blockColumnCount;
            long blockColumn = block - blockRow * blockColumnCount;
            long row = blockRow * a.BlockRows;
            long column = blockColumn * a.BlockColumns;
            long height = present ? Math.Min(a.BlockRows, a.Rows - row) : 0;
            long width = Math.Min(a.BlockColumns, a.Columns - column);
            int amax = 0;
            for (long r = 0; r < height; r++)
            {
                long start = (row + r) * a.Columns + column;
                for (long c = lane; c < width; c += a.LanesPerBlock)
                {
                    amax = Magnitude.Max(amax, Magnitude.Of(TElement.Decode(a.Source[start + c])));
                }
            }

            partial[Group.IdxX] = amax;
            Group.Barrier();
            for (int other = 0; other < a.LanesPerBlock; other++)
            {
                amax = Magnitude.Max(amax, partial[first + other]);
            }

            Group.Barrier();
            float scale = Magnitude.Scale<TFormat>(amax);
            for (long r = 0; r < height; r++)
            {
                long start = (row + r) * a.Columns + column;
                for (long c = lane; c < width; c += a.LanesPerBlock)
                {
                    a.Codes[start + c] = Magnitude.Encode<TFormat>(TElement.Decode(a.Source[start + c]), scale, amax);
                }
            }

            if (present && lane == 0)
            {
                a.Scales[block] = scale;
            }
        }
    }
}
