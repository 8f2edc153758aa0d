using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="BlockDequantizeKernel"/>.</summary>
internal struct BlockDequantizeArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public ArrayView<TBits> Output;
    public long Rows;
    public long Columns;
    public long ScaleColumns;
    public long BlockRows;
    public long BlockColumns;
    public long RowOffset;
    public long ColumnOffset;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Codes);
        block.Add(Scales);
        block.Add(Output);
        block.Add(Rows);
        block.Add(Columns);
        block.Add(ScaleColumns);
        block.Add(BlockRows);
        block.Add(BlockColumns);
        block.Add(RowOffset);
        block.Add(ColumnOffset);
    }
}

/// <summary>Output = code × scale of its block, for every scale granularity.</summary>
internal static class BlockDequantizeKernel
{
    public static void Run<TFormat, TBits, TElement>(BlockDequantizeArguments<TBits> a)
        where TFormat : struct, ICodeFormat
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Rows * a.Columns; i += stride)
        {
            long row = i / a.Columns;
            long column = i - row * a.Columns;
            float scale = a.Scales[(row + a.RowOffset) / a.BlockRows * a.ScaleColumns + (column + a.ColumnOffset) / a.BlockColumns];
            a.Output[i] = TElement.Encode(TFormat.Decode(a.Codes[i]) * scale);
        }
    }
}
