using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="LoraSplitSumKernel"/>.</summary>
internal struct LoraSplitSumArguments<TOut> : IKernelArguments
    where TOut : unmanaged
{
    /// <summary>[splits, elements of the output].</summary>
    public ArrayView<float> Partials;
    public ArrayView<TOut> Output;
    public int Splits;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Partials);
        block.Add(Output);
        block.Add(Splits);
    }
}

/// <summary>Adds the splits of a shrink in their order, so that the same input gives the same bits.</summary>
internal static class LoraSplitSumKernel
{
    public static void Run<TOut, TElement>(LoraSplitSumArguments<TOut> a)
        where TOut : unmanaged
        where TElement : struct, IElement<TOut>
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Output.Length; i += stride)
        {
            float sum = a.Partials[i];
            for (int split = 1; split < a.Splits; split++)
            {
                sum += a.Partials[split * a.Output.Length + i];
            }

            a.Output[i] = TElement.Encode(sum);
        }
    }
}
