using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant;

/// <summary>Checks the operands that shrink and expand share, and turns them into the arguments of a kernel.</summary>
internal static class LoraOperands
{
    /// <summary>Output, slices and map fit the input and each other.</summary>
    public static void Validate<TX, TW, TOut>(
        ComputeDevice device,
        LoraInput<TX> input,
        string inputName,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        MatrixView<TOut> output)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        RequirePair<TX, TW>(inputName);
        Require.Positive(slices.Length, nameof(slices));
        Require.Memory(device, input.Values.Data, inputName);
        Require.Memory(device, input.Scales.Data, inputName);
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), input.Values.Data, inputName);
        Require.Disjoint(output.Data, nameof(output), input.Scales.Data, inputName);
        Require.Map(device, map);
        if (map.Tokens != input.Tokens)
        {
            throw new ArgumentException($"map: {map.Tokens} tokens in {map.Entries} entries; expected {input.Tokens} tokens.", nameof(map));
        }

        Require.Disjoint(output.Data, nameof(output), map);
        for (int i = 0; i < slices.Length; i++)
        {
            LoraSlice<TW> slice = slices[i];
            if (slice.Adapters != slices[0].Adapters || slice.Adapters == 0)
            {
                throw new ArgumentException(
                    $"slices[{i}]: shape {slice.Shape}; expected the {slices[0].Adapters} adapters of slices[0].", nameof(slices));
            }

            if (slice.IsQuantized != slices[0].IsQuantized)
            {
                throw new ArgumentException($"slices[{i}]: scales differ from those of slices[0]; expected all or none with scales.", nameof(slices));
            }

            Require.Memory(device, slice.Values, nameof(slices));
            Require.Memory(device, slice.Scales, nameof(slices));
            Require.Disjoint(output.Data, nameof(output), slice.Values, nameof(slices));
            Require.Disjoint(output.Data, nameof(output), slice.Scales, nameof(slices));
        }
    }

    public static LoraInputArguments<TBits> Input<T, TBits>(LoraInput<T> input, bool shared, bool cast)
        where T : unmanaged
        where TBits : unmanaged
        => new()
        {
            Values = input.Values.Data.Cast<TBits>(),
            Scales = input.IsQuantized ? input.Scales.Data : input.Values.Data.SubView(0, 0).Cast<float>(),
            Columns = input.Columns,
            SliceStride = shared ? 0 : input.Tokens * input.Columns,
            ScaleSliceStride = shared ? 0 : input.ScaleSliceStride,
            ScaleRowStride = input.ScaleRowStride,
            BlockColumns = input.IsQuantized ? input.BlockColumns : Math.Max(1, input.Columns),
            ColumnOffset = input.ScaleColumnOffset,
            Cast = cast ? 1 : 0,
        };

    /// <summary>Up to <see cref="LoraSlices{TBits}.Capacity"/> slices; the places that are left repeat the first, so that every view has memory.</summary>
    public static LoraSlices<TBits> Slices<T, TBits>(ReadOnlySpan<LoraSlice<T>> slices, ref long outputColumn)
        where T : unmanaged
        where TBits : unmanaged
    {
        var result = default(LoraSlices<TBits>);
        for (int i = 0; i < LoraSlices<TBits>.Capacity; i++)
        {
            LoraSlice<T> slice = i < slices.Length ? slices[i] : slices[0];
            result.Set(i, new LoraSliceArguments<TBits>
            {
                Values = slice.Values.Cast<TBits>(),
                Scales = slice.IsQuantized ? slice.Scales : slice.Values.SubView(0, 0).Cast<float>(),
                Rows = slice.Rows,
                Columns = slice.Columns,
                AdapterStride = slice.AdapterStride,
                RowStride = slice.RowStride,
                ScaleAdapterStride = slice.ScaleRows * slice.ScaleColumns,
                ScaleColumns = slice.ScaleColumns,
                BlockRows = Math.Max(1, slice.BlockRows),
                BlockColumns = slice.IsQuantized ? slice.BlockColumns : slice.Columns,
                RowOffset = slice.ScaleRowOffset,
                ColumnOffset = slice.ScaleColumnOffset,
                OutputColumn = outputColumn,
            });
            outputColumn += i < slices.Length ? slice.Rows : 0;
        }

        return result;
    }

    public static LoraMapArguments Map(AdapterMapView map, long adapters) => new()
    {
        SortedTokens = map.SortedTokens,
        Counts = map.Counts,
        Starts = map.Starts,
        AdapterIds = map.AdapterIds,
        Adapters = adapters,
    };

    /// <summary>
    /// Row tiles enough for every way the tokens can fall to the entries of the map: each entry begins a tile of its own.
    /// </summary>
    public static LoraShape Shape(LoraPlan plan, AdapterMapView map, long columns, int slices) => new()
    {
        TileM = plan.TileM,
        TileN = plan.TileN,
        TileK = plan.TileK,
        DepthLanes = plan.DepthLanes,
        SplitK = plan.SplitK,
        RowTiles = map.Tokens / plan.TileM + Math.Min(map.Entries, map.Tokens),
        ColumnTiles = MatrixIndex.CeilDivide(columns, plan.TileN),
        Slices = slices,
    };

    /// <summary>One group for every tile, while a grid can hold that many; each group strides over the rest.</summary>
    public static LaunchShape Launch(LoraShape shape, LoraPlan plan) => new((int)Math.Min(shape.Tiles, int.MaxValue), plan.Lanes);

    private static void RequirePair<TX, TW>(string inputName)
        where TX : unmanaged
        where TW : unmanaged
    {
        LoraElementKind input = LoraElement<TX>.Kind(inputName), weights = LoraElement<TW>.Kind("slices");
        if (input != weights && input != LoraElementKind.Float32 && weights != LoraElementKind.Float8)
        {
            throw new ArgumentException(
                $"slices: element type {typeof(TW).Name} with input of {typeof(TX).Name}; expected the same type, Float8E4M3 with full-precision input, or any with Single input.",
                "slices");
        }
    }
}
