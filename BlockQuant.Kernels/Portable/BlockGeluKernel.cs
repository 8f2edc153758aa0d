using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockGeluKernel"/>.</summary>
internal struct BlockGeluArguments : IKernelArguments
{
    /// <summary>The codes [Rows, K] and their scale grid.</summary>
    public QuantizedActivations Source;
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public long Rows;

    /// <summary>Columns that share one output scale.</summary>
    public long OutputBlock;

    /// <summary>Lanes that share one output block; a power of two.</summary>
    public int LanesPerBlock;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(Codes);
        block.Add(Scales);
        block.Add(Rows);
        block.Add(OutputBlock);
        block.Add(LanesPerBlock);
    }
}

/// <summary>
/// Dequantize, GELU with the exact error function, quantize per row and block, in one pass. The GELU is computed twice, once for the largest
/// magnitude and once for the codes: that costs less than keeping it.
/// </summary>
/// <remarks>Method: the block-wise INT8 kernels' <c>int8_gelu</c>.</remarks>
internal static class BlockGeluKernel
{
    private const float InverseSqrt2 = 0.70710678f;

    public static void Run<TFormat>(BlockGeluArguments a)
        where TFormat : struct, ICodeFormat
    {
        ArrayView<int> partial = SharedMemory.Allocate<int>(BlockQuantizeKernel.MaxLanes);
        int lane = Group.IdxX % a.LanesPerBlock;
        int first = Group.IdxX - lane;
        int blocksPerGroup = Group.DimX / a.LanesPerBlock;
        long blockColumns = MatrixIndex.CeilDivide(a.Source.K, a.OutputBlock);
        long blocks = a.Rows * blockColumns;
        long steps = MatrixIndex.CeilDivide(blocks, (long)blocksPerGroup * Grid.DimX);
        for (long step = 0; step < steps; step++)
        {
            // All lanes of a group take the same number of steps, so that they meet at the same barriers.
            long block = (step * Grid.DimX + Grid.IdxX) * blocksPerGroup + first / a.LanesPerBlock;
            bool present = block < blocks;
            long row = block / blockColumns;
            long column = (block - row * blockColumns) * a.OutputBlock;
            long end = present ? Math.Min(column + a.OutputBlock, a.Source.K) : column;
            int amax = 0;
            for (long c = column + lane; c < end; c += a.LanesPerBlock)
            {
                amax = Magnitude.Max(amax, Magnitude.Of(Gelu<TFormat>(a.Source, row, c)));
            }

            partial[Group.IdxX] = amax;
            Group.Barrier();
            for (int other = 0; other < a.LanesPerBlock; other++)
            {
                amax = Magnitude.Max(amax, partial[first + other]);
            }

            Group.Barrier();
            float scale = Magnitude.AtLeast(Magnitude.Scale<TFormat>(amax), Int8Code.MinOutputScale);
            for (long c = column + lane; c < end; c += a.LanesPerBlock)
            {
                a.Codes[row * a.Source.K + c] = Magnitude.Encode<TFormat>(Gelu<TFormat>(a.Source, row, c), scale, amax);
            }

            if (present && lane == 0)
            {
                a.Scales[block] = scale;
            }
        }
    }

    private static float Gelu<TFormat>(QuantizedActivations source, long row, long column)
        where TFormat : struct, ICodeFormat
    {
        long scaleRow = (row + source.RowOffset) / source.BlockRows;
        float scale = source.Scales[scaleRow * source.ScaleColumns + (column + source.ColumnOffset) / source.BlockColumns];
        float value = TFormat.Decode(source.Codes[row * source.K + column]) * scale;
        return value * 0.5f * (1f + ErrorFunction.Erf(value * InverseSqrt2));
    }
}
