namespace BlockQuant.Host;

/// <summary>A matrix and the blocks of it that share a scale.</summary>
internal readonly record struct ScaleGrid(
    long Rows, long Columns, long BlockRows, long BlockColumns, long ScaleRows, long ScaleColumns, long RowOffset = 0, long ColumnOffset = 0)
{
    public static ScaleGrid Of(long rows, long columns, QuantizationScheme scheme)
    {
        (long blockRows, long blockColumns) = scheme.BlockOf(rows, columns);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        return new ScaleGrid(rows, columns, blockRows, blockColumns, scaleRows, scaleColumns);
    }

    /// <summary>The same blocks, as one row of them where they follow each other in memory: fewer and longer runs.</summary>
    public ScaleGrid InFewestRows()
        => BlockRows == 1 && ColumnOffset == 0 && Columns == ScaleColumns * BlockColumns
            ? this with { Rows = 1, Columns = Rows * Columns, ScaleRows = 1, ScaleColumns = ScaleRows * ScaleColumns, RowOffset = 0 }
            : this;

    /// <summary>The first column of a block, cut at the matrix.</summary>
    public long ColumnOf(long scaleColumn) => Math.Clamp(scaleColumn * BlockColumns - ColumnOffset, 0, Columns);

    /// <summary>The first row of a block, cut at the matrix.</summary>
    public long RowOf(long scaleRow) => Math.Clamp(scaleRow * BlockRows - RowOffset, 0, Rows);

    /// <summary>How many of neighbouring blocks, from the first on, have all of <paramref name="length"/> columns.</summary>
    public long WholeBlocks(long firstBlock, long count, long length)
    {
        long column = firstBlock * BlockColumns - ColumnOffset;
        return BlockColumns == length && column >= 0 ? Math.Min(count, (Columns - column) / length) : 0;
    }
}
