namespace BlockQuant;

/// <summary>Rows and columns of a matrix that share one scale.</summary>
/// <param name="Rows">Rows, at least 1.</param>
/// <param name="Columns">Columns, at least 1.</param>
public readonly record struct BlockShape(int Rows, int Columns)
{
    /// <summary>Rows, at least 1.</summary>
    public int Rows { get; } = Rows >= 1 ? Rows : throw new ArgumentOutOfRangeException(nameof(Rows), Rows, "A block has at least one row.");

    /// <summary>Columns, at least 1.</summary>
    public int Columns { get; } = Columns >= 1 ? Columns : throw new ArgumentOutOfRangeException(nameof(Columns), Columns, "A block has at least one column.");

    /// <summary>Rows of the scale grid over a matrix: ⌈rows / <see cref="Rows"/>⌉.</summary>
    /// <param name="rows">Rows of the matrix.</param>
    public long ScaleRows(long rows) => rows / Rows + (rows % Rows == 0 ? 0 : 1);

    /// <summary>Columns of the scale grid over a matrix: ⌈columns / <see cref="Columns"/>⌉.</summary>
    /// <param name="columns">Columns of the matrix.</param>
    public long ScaleColumns(long columns) => columns / Columns + (columns % Columns == 0 ? 0 : 1);

    /// <inheritdoc/>
    public override string ToString() => $"{Rows}x{Columns}";
}
