using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="LoraExpandKernel"/>.</summary>
internal struct LoraExpandArguments<TX, TW, TOut> : IKernelArguments
    where TX : unmanaged
    where TW : unmanaged
    where TOut : unmanaged
{
    public LoraInputArguments<TX> Input;
    public LoraSlices<TW> Slices;
    public LoraMapArguments Map;

    /// <summary>[tokens, <see cref="Columns"/>].</summary>
    public ArrayView<TOut> Output;
    public LoraShape Shape;
    public long Columns;

    /// <summary>The place of this launch's first slice among all slices.</summary>
    public long FirstSlice;

    /// <summary>Not 0 to add to what the output holds.</summary>
    public int Add;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Input);
        block.Add(Slices);
        block.Add(Map);
        block.Add(Output);
        block.Add(Shape);
        block.Add(Columns);
        block.Add(FirstSlice);
        block.Add(Add);
    }
}

/// <summary>
/// output[t, columns of s] (+)= y[s, t] · B_s[adapter of t]ᵀ for every slice s. A row without adapter is not touched.
/// </summary>
/// <remarks>
/// Method: vLLM <c>lora_expand</c> and <c>lora_expand_fp8</c>, after Punica (arXiv 2310.18547). The sum with the output is made in float32 and
/// rounded once, where the reference rounds the product first.
/// </remarks>
internal static class LoraExpandKernel
{
    public static void Run<TX, TXElement, TW, TWElement, TOut, TOutElement>(LoraExpandArguments<TX, TW, TOut> a)
        where TX : unmanaged
        where TXElement : struct, IElement<TX>
        where TW : unmanaged
        where TWElement : struct, IElement<TW>
        where TOut : unmanaged
        where TOutElement : struct, IElement<TOut>
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(LoraTile.SharedFloats);
        ArrayView<int> tokens = SharedMemory.Allocate<int>(LoraScheduler.MaxTileM);
        LoraShape shape = a.Shape;
        for (long tile = Grid.IdxX; tile < shape.Tiles; tile += Grid.DimX)
        {
            long rest = tile / shape.RowTiles;
            LoraRows rows = a.Map.Rows(tile - rest * shape.RowTiles, shape.TileM);
            long slice = rest / shape.ColumnTiles;
            long column0 = (rest - slice * shape.ColumnTiles) * shape.TileN;
            LoraSliceArguments<TW> weights = a.Slices.Slice((int)slice);
            if (rows.Count == 0 || rows.Adapter < 0 || column0 >= weights.Rows)
            {
                continue;
            }

            LoraTile.Gather(a.Map, rows, tokens, shape.TileM);
            LaneTile sums = LoraTile.Multiply<TX, TXElement, TW, TWElement>(
                a.Input, weights, shape, shared, tokens, a.FirstSlice + slice, rows.Adapter, column0, 0, weights.Columns);
            LoraTile.Share(sums, shared, shape);
            for (int i = Group.IdxX; i < rows.Count * shape.TileN; i += Group.DimX)
            {
                int r = i / shape.TileN;
                int c = i - r * shape.TileN;
                if (tokens[r] >= 0 && column0 + c < weights.Rows)
                {
                    long index = tokens[r] * a.Columns + weights.OutputColumn + column0 + c;
                    float value = LoraTile.Sum(shared, shape, r, c);
                    if (a.Add != 0)
                    {
                        value += TOutElement.Decode(a.Output[index]);
                    }

                    a.Output[index] = TOutElement.Encode(value);
                }
            }

            // The next tile's tokens and stage must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
