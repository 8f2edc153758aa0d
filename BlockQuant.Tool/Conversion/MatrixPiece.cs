using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>A rectangle of a matrix that is in memory at one time.</summary>
/// <param name="Row">The first row.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Column">The first column.</param>
/// <param name="Columns">Columns.</param>
internal readonly record struct MatrixPiece(long Row, int Rows, long Column, int Columns)
{
    /// <summary>The most elements of one piece: 64 MiB as float32.</summary>
    public const int MaxElements = 1 << 24;

    public int Elements => Rows * Columns;

    /// <summary>Cuts a matrix into pieces of whole blocks: bands of rows, or, where one band is too large, parts of bands.</summary>
    /// <exception cref="InputException">A single block is larger than a piece may be.</exception>
    public static IEnumerable<MatrixPiece> Cut(long rows, long columns, long blockRows, long blockColumns)
    {
        if (rows == 0 || columns == 0)
        {
            return [];
        }

        RequireBlock(rows, columns, blockRows, blockColumns);
        blockRows = Math.Min(blockRows, rows);
        blockColumns = Math.Min(blockColumns, columns);
        bool wholeRows = (Int128)blockRows * columns <= MaxElements;
        long pieceRows = wholeRows ? MaxElements / (blockRows * columns) * blockRows : blockRows;
        long pieceColumns = wholeRows ? columns : MaxElements / (blockRows * blockColumns) * blockColumns;
        return Cut(rows, columns, pieceRows, (int)Math.Min(pieceColumns, columns));
    }

    /// <exception cref="InputException">A single block is larger than a piece may be.</exception>
    public static void RequireBlock(long rows, long columns, long blockRows, long blockColumns)
    {
        blockRows = Math.Min(blockRows, rows);
        blockColumns = Math.Min(blockColumns, columns);
        if ((Int128)blockRows * blockColumns > MaxElements)
        {
            throw new InputException($"a block of {blockRows}x{blockColumns} has more than the {MaxElements} elements that are converted at once.");
        }
    }

    /// <summary>The scales that belong to the piece, as a piece of the matrix of scales.</summary>
    public MatrixPiece ScalesOf(QuantizationScheme scheme) => scheme.Granularity switch
    {
        ScaleGranularity.Tensor => new(0, 1, 0, 1),
        ScaleGranularity.Channel or ScaleGranularity.Token => new(Row, Rows, 0, 1),
        _ => new(
            Row / scheme.Block.Rows,
            (int)scheme.Block.ScaleRows(Rows),
            Column / scheme.Block.Columns,
            (int)scheme.Block.ScaleColumns(Columns)),
    };

    /// <summary>Reads the piece of a matrix of <paramref name="matrixColumns"/> columns.</summary>
    public void Read(Checkpoint checkpoint, string name, long matrixColumns, int elementSize, Span<byte> destination)
    {
        foreach ((long offset, int start, int length) in Runs(matrixColumns, elementSize))
        {
            checkpoint.CopyTo(name, destination.Slice(start, length), offset);
        }
    }

    /// <summary>Writes the piece of a matrix of <paramref name="matrixColumns"/> columns.</summary>
    public void Write(SafetensorsWriter writer, string name, long matrixColumns, int elementSize, ReadOnlySpan<byte> source)
    {
        foreach ((long offset, int start, int length) in Runs(matrixColumns, elementSize))
        {
            writer.Write(name, offset, source.Slice(start, length));
        }
    }

    private static IEnumerable<MatrixPiece> Cut(long rows, long columns, long pieceRows, int pieceColumns)
    {
        for (long row = 0; row < rows; row += pieceRows)
        {
            for (long column = 0; column < columns; column += pieceColumns)
            {
                yield return new(row, (int)Math.Min(pieceRows, rows - row), column, (int)Math.Min(pieceColumns, columns - column));
            }
        }
    }

    /// <summary>The piece's unbroken runs of bytes: where in the matrix, where in the piece, and how long.</summary>
    private IEnumerable<(long Offset, int Start, int Length)> Runs(long matrixColumns, int elementSize)
    {
        if (Columns == matrixColumns)
        {
            yield return (Row * matrixColumns * elementSize, 0, Elements * elementSize);
            yield break;
        }

        for (int row = 0; row < Rows; row++)
        {
            yield return (((Row + row) * matrixColumns + Column) * elementSize, row * Columns * elementSize, Columns * elementSize);
        }
    }
}
