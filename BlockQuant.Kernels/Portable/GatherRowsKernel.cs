using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="GatherRowsKernel"/>.</summary>
internal struct GatherRowsArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    /// <summary>One row a token [T, columns].</summary>
    public ArrayView<TBits> Source;

    /// <summary>The slot token · k + j of each sorted row [S].</summary>
    public ArrayView<int> RowSlots;

    public ArrayView<TBits> Output;
    public long Tokens;
    public long Columns;
    public int TopK;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(RowSlots);
        block.Add(Output);
        block.Add(Tokens);
        block.Add(Columns);
        block.Add(TopK);
    }
}

/// <summary>Copies each token's row to the sorted rows of its slots. A row without a slot is zero.</summary>
internal static class GatherRowsKernel
{
    public static void Run<TBits>(GatherRowsArguments<TBits> a)
        where TBits : unmanaged
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Output.Length; i += stride)
        {
            long row = i / a.Columns;
            int slot = a.RowSlots[row];
            long token = slot / a.TopK;
            a.Output[i] = slot >= 0 && token < a.Tokens ? a.Source[token * a.Columns + i - row * a.Columns] : default;
        }
    }
}
