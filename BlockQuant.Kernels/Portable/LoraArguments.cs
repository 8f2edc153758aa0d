using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Input rows of a LoRA product: x [tokens, K] for every slice, or y [slices, tokens, rank].</summary>
internal struct LoraInputArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Values;

    /// <summary>Empty for full-precision input.</summary>
    public ArrayView<float> Scales;
    public long Columns;

    /// <summary>Elements from one slice to the next; 0 where all slices read the same rows.</summary>
    public long SliceStride;
    public long ScaleSliceStride;

    /// <summary>Scales from one token to the next; 0 for one scale a tensor.</summary>
    public long ScaleRowStride;
    public long BlockColumns;
    public long ColumnOffset;

    /// <summary>Not 0 to round the input to the weights' type first.</summary>
    public int Cast;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Values);
        block.Add(Scales);
        block.Add(Columns);
        block.Add(SliceStride);
        block.Add(ScaleSliceStride);
        block.Add(ScaleRowStride);
        block.Add(BlockColumns);
        block.Add(ColumnOffset);
        block.Add(Cast);
    }

    public readonly float Scale(long slice, long token, long k)
        => Scales.Length == 0 ? 1f : Scales[slice * ScaleSliceStride + token * ScaleRowStride + (k + ColumnOffset) / BlockColumns];
}

/// <summary>The weights [adapters, rows, columns] of one slice, and their scales.</summary>
internal struct LoraSliceArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Values;

    /// <summary>Empty for full-precision weights.</summary>
    public ArrayView<float> Scales;
    public long Rows;
    public long Columns;
    public long AdapterStride;
    public long RowStride;
    public long ScaleAdapterStride;
    public long ScaleColumns;
    public long BlockRows;
    public long BlockColumns;
    public long RowOffset;
    public long ColumnOffset;

    /// <summary>The column of the output row where an expand of this slice begins.</summary>
    public long OutputColumn;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Values);
        block.Add(Scales);
        block.Add(Rows);
        block.Add(Columns);
        block.Add(AdapterStride);
        block.Add(RowStride);
        block.Add(ScaleAdapterStride);
        block.Add(ScaleColumns);
        block.Add(BlockRows);
        block.Add(BlockColumns);
        block.Add(RowOffset);
        block.Add(ColumnOffset);
        block.Add(OutputColumn);
    }

    public readonly float Scale(long adapter, long row, long k)
        => Scales.Length == 0
            ? 1f
            : Scales[adapter * ScaleAdapterStride + (row + RowOffset) / BlockRows * ScaleColumns + (k + ColumnOffset) / BlockColumns];
}

/// <summary>The slices of one launch as named fields: a kernel argument cannot hold an array of views.</summary>
internal struct LoraSlices<TBits> : IKernelArguments
    where TBits : unmanaged
{
    /// <summary>Slices that one launch can take.</summary>
    public const int Capacity = 8;

    public LoraSliceArguments<TBits> S0, S1, S2, S3, S4, S5, S6, S7;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(S0);
        block.Add(S1);
        block.Add(S2);
        block.Add(S3);
        block.Add(S4);
        block.Add(S5);
        block.Add(S6);
        block.Add(S7);
    }

    public readonly LoraSliceArguments<TBits> Slice(int slice) => slice switch
    {
        0 => S0,
        1 => S1,
        2 => S2,
        3 => S3,
        4 => S4,
        5 => S5,
        6 => S6,
        _ => S7,
    };

    public void Set(int slice, LoraSliceArguments<TBits> value)
    {
        switch (slice)
        {
            case 0:
                S0 = value;
                break;
            case 1:
                S1 = value;
                break;
            case 2:
                S2 = value;
                break;
            case 3:
                S3 = value;
                break;
            case 4:
                S4 = value;
                break;
            case 5:
                S5 = value;
                break;
            case 6:
                S6 = value;
                break;
            default:
                S7 = value;
                break;
        }
    }
}

/// <summary>Which adapter each token uses: tokens sorted by adapter, and where each adapter's tokens lie.</summary>
internal struct LoraMapArguments : IKernelArguments
{
    public ArrayView<int> SortedTokens;
    public ArrayView<int> Counts;
    public ArrayView<int> Starts;
    public ArrayView<int> AdapterIds;
    public long Adapters;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(SortedTokens);
        block.Add(Counts);
        block.Add(Starts);
        block.Add(AdapterIds);
        block.Add(Adapters);
    }

    /// <summary>
    /// The rows of one row tile, found by walking over the adapters' counts: how the tokens fall to adapters is known on the device alone.
    /// </summary>
    public readonly LoraRows Rows(long rowTile, int tileM)
    {
        var rows = default(LoraRows);
        rows.Adapter = -1;
        long first = 0;
        for (long group = 0; group < Counts.Length; group++)
        {
            long count = Math.Max(0, Math.Min(Counts[group], SortedTokens.Length));
            long offset = (rowTile - first) * tileM;
            if (offset >= 0 && offset < count)
            {
                int adapter = AdapterIds[group];
                rows.Adapter = adapter < Adapters ? adapter : -1;
                rows.Position = Starts[group] + offset;
                rows.Count = (int)Math.Min(tileM, count - offset);
            }

            first += MatrixIndex.CeilDivide(count, tileM);
        }

        return rows;
    }

    /// <summary>The token at a position of the sorted order, or −1 where the map is not in order: such a row is neither read nor written.</summary>
    public readonly int Token(long position)
    {
        int token = position >= 0 && position < SortedTokens.Length ? SortedTokens[position] : -1;
        return token < SortedTokens.Length ? Math.Max(token, -1) : -1;
    }
}

/// <summary>The rows of one tile: some or all tokens of one adapter.</summary>
internal struct LoraRows
{
    /// <summary>Below 0 for rows without an adapter.</summary>
    public long Adapter;
    public long Position;
    public int Count;
}

/// <summary>The numbers of a <see cref="LoraPlan"/> that a kernel reads.</summary>
internal struct LoraShape : IKernelArguments
{
    public int TileM;
    public int TileN;
    public int TileK;
    public int DepthLanes;
    public int SplitK;
    public long RowTiles;
    public long ColumnTiles;
    public int Slices;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(TileM);
        block.Add(TileN);
        block.Add(TileK);
        block.Add(DepthLanes);
        block.Add(SplitK);
        block.Add(RowTiles);
        block.Add(ColumnTiles);
        block.Add(Slices);
    }

    public readonly long Tiles => RowTiles * ColumnTiles * SplitK * Slices;
}
