namespace BlockQuant.Host;

/// <summary>One side of a product: rows of codes or of full-precision elements, and the scales of their blocks.</summary>
internal unsafe struct HostOperand
{
    public required HostDecoder Decoder;
    public required byte* Values;

    /// <summary>Elements from one row to the next.</summary>
    public required long RowStride;

    /// <summary>Null where nothing is scaled.</summary>
    public float* Scales;
    public long ScaleColumns;
    public long BlockRows;
    public long RowOffset;

    /// <summary>Columns that share a scale.</summary>
    public required long BlockColumns;

    /// <summary>Columns of the first block that lie before the first column.</summary>
    public long ColumnOffset;

    /// <summary>What values are rounded to before they are multiplied, or null.</summary>
    public HostElement? Cast;

    public static HostOperand Of(QuantizedMatrix matrix, byte* codes, float* scales, VectorWidth width)
    {
        (long blockRows, long blockColumns) = matrix.Scheme.BlockOf(matrix.Rows, matrix.Columns);
        return new HostOperand
        {
            Decoder = matrix.Scheme.Format == ElementFormat.Float8E4M3 ? HostElement.Of(HostElementKind.Float8, width) : HostDecoder.Int8(width),
            Values = codes,
            RowStride = matrix.Columns,
            Scales = scales,
            ScaleColumns = matrix.ScaleColumns,
            BlockRows = blockRows,
            RowOffset = matrix.ScaleRowOffset,
            BlockColumns = blockColumns,
            ColumnOffset = matrix.ScaleColumnOffset,
        };
    }

    public readonly byte* Row(long row) => Values + row * RowStride * Decoder.Size;

    /// <summary>The scales of a row's blocks, or null where there are none.</summary>
    public readonly float* RowScales(long row) => Scales is null ? null : Scales + (row + RowOffset) / BlockRows * ScaleColumns;

    /// <summary>The unscaled values of <paramref name="length"/> elements of a row, from column <paramref name="k"/> on.</summary>
    public readonly void Decode(byte* row, long k, int length, float* destination)
    {
        Decoder.Decode(row + k * Decoder.Size, length, destination);
        if (Cast is not null)
        {
            // No element is wider than the float32 that it is rounded from.
            byte* rounded = stackalloc byte[DepthPiece.MaxLength * sizeof(float)];
            Cast.Encode(destination, length, rounded);
            Cast.Decode(rounded, length, destination);
        }
    }
}
