using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="CombineRowsKernel"/>.</summary>
internal struct CombineRowsArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    /// <summary>Sorted rows [S, columns].</summary>
    public ArrayView<TBits> Source;

    /// <summary>The sorted row of each slot [T, k].</summary>
    public ArrayView<int> SlotRows;

    /// <summary>The weight of each slot [T, k].</summary>
    public ArrayView<float> Weights;

    public ArrayView<TBits> Output;
    public long Rows;
    public long Columns;
    public int TopK;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(SlotRows);
        block.Add(Weights);
        block.Add(Output);
        block.Add(Rows);
        block.Add(Columns);
        block.Add(TopK);
    }
}

/// <summary>Each token's weighted sum of its slots' rows, in the order of the slots and in float32. A slot without a row adds nothing.</summary>
internal static class CombineRowsKernel
{
    public static void Run<TBits, TElement>(CombineRowsArguments<TBits> a)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Output.Length; i += stride)
        {
            long token = i / a.Columns;
            long column = i - token * a.Columns;
            float sum = 0f;
            for (int j = 0; j < a.TopK; j++)
            {
                long slot = token * a.TopK + j;
                long row = a.SlotRows[slot];
                if (row >= 0 && row < a.Rows)
                {
                    sum += a.Weights[slot] * TElement.Decode(a.Source[row * a.Columns + column]);
                }
            }

            a.Output[i] = TElement.Encode(sum);
        }
    }
}
