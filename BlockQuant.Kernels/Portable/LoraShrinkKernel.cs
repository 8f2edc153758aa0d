using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="LoraShrinkKernel"/>.</summary>
internal struct LoraShrinkArguments<TX, TW, TOut> : IKernelArguments
    where TX : unmanaged
    where TW : unmanaged
    where TOut : unmanaged
{
    public LoraInputArguments<TX> Input;
    public LoraSlices<TW> Slices;
    public LoraMapArguments Map;

    /// <summary>[slices, tokens, <see cref="Rank"/>] for each split, <see cref="SplitStride"/> apart.</summary>
    public ArrayView<TOut> Output;
    public LoraShape Shape;
    public long Rank;
    public long SplitStride;

    /// <summary>The place of this launch's first slice among all slices.</summary>
    public long FirstSlice;
    public float Scaling;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Input);
        block.Add(Slices);
        block.Add(Map);
        block.Add(Output);
        block.Add(Shape);
        block.Add(Rank);
        block.Add(SplitStride);
        block.Add(FirstSlice);
        block.Add(Scaling);
    }
}

/// <summary>How a product reaches the output.</summary>
internal interface ILoraSink<TBits>
    where TBits : unmanaged
{
    /// <summary>What kernels are named by.</summary>
    static abstract string Name { get; }

    static abstract void Write(ArrayView<TBits> output, long index, float value);
}

/// <summary>Stores.</summary>
internal readonly struct StoreSink<TBits, TElement> : ILoraSink<TBits>
    where TBits : unmanaged
    where TElement : struct, IElement<TBits>
{
    public static string Name => typeof(TElement).Name;

    public static void Write(ArrayView<TBits> output, long index, float value) => output[index] = TElement.Encode(value);
}

/// <summary>Adds atomically: the order of the splits, so the last bits, may differ from run to run.</summary>
internal readonly struct AtomicSink : ILoraSink<float>
{
    public static string Name => "atomic";

    public static void Write(ArrayView<float> output, long index, float value) => ViewAtomics.Add(output, index, value);
}

/// <summary>
/// output[s, t] = scaling · x[t] · A_s[adapter of t]ᵀ for every slice s, its depth shared by <see cref="LoraPlan.SplitK"/> groups; zeros for a
/// token without adapter.
/// </summary>
/// <remarks>Method: vLLM <c>lora_shrink</c> and <c>lora_shrink_fp8</c>, after Punica (arXiv 2310.18547).</remarks>
internal static class LoraShrinkKernel
{
    public static void Run<TX, TXElement, TW, TWElement, TOut, TSink>(LoraShrinkArguments<TX, TW, TOut> a)
        where TX : unmanaged
        where TXElement : struct, IElement<TX>
        where TW : unmanaged
        where TWElement : struct, IElement<TW>
        where TOut : unmanaged
        where TSink : struct, ILoraSink<TOut>
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(LoraTile.SharedFloats);
        ArrayView<int> tokens = SharedMemory.Allocate<int>(LoraScheduler.MaxTileM);
        LoraShape shape = a.Shape;
        for (long tile = Grid.IdxX; tile < shape.Tiles; tile += Grid.DimX)
        {
            long rest = tile / shape.RowTiles;
            LoraRows rows = a.Map.Rows(tile - rest * shape.RowTiles, shape.TileM);
            long column0 = rest % shape.ColumnTiles * shape.TileN;
            rest /= shape.ColumnTiles;
            long split = rest % shape.SplitK;
            long slice = rest / shape.SplitK;
            if (rows.Count == 0)
            {
                continue;
            }

            LoraSliceArguments<TW> weights = a.Slices.Slice((int)slice);
            LoraTile.Gather(a.Map, rows, tokens, shape.TileM);
            var sums = default(LaneTile);
            if (rows.Adapter >= 0)
            {
                long share = MatrixIndex.CeilDivide(MatrixIndex.CeilDivide(weights.Columns, shape.SplitK), shape.TileK) * shape.TileK;
                long begin = split * share;
                sums = LoraTile.Multiply<TX, TXElement, TW, TWElement>(
                    a.Input, weights, shape, shared, tokens, 0, rows.Adapter, column0, begin, Math.Min(weights.Columns, begin + share));
            }

            LoraTile.Share(sums, shared, shape);
            for (int i = Group.IdxX; i < rows.Count * shape.TileN; i += Group.DimX)
            {
                int r = i / shape.TileN;
                int c = i - r * shape.TileN;
                if (tokens[r] >= 0 && column0 + c < a.Rank)
                {
                    long row = (a.FirstSlice + slice) * a.Map.SortedTokens.Length + tokens[r];
                    TSink.Write(a.Output, split * a.SplitStride + row * a.Rank + column0 + c, a.Scaling * LoraTile.Sum(shared, shape, r, c));
                }
            }

            // The next tile's tokens and stage must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
