namespace BlockQuant.Host;

/// <summary>Output = code × scale of its block. An item is a run of one row inside one column of blocks, or a whole row of them.</summary>
internal readonly unsafe struct DequantizeWork<T, TTarget, TFormat, TLanes>(byte* codes, float* scales, T* output, ScaleGrid grid) : IRangeWork
    where T : unmanaged
    where TTarget : struct, ILaneSource<T>, ILaneTarget<T>
    where TFormat : struct, IHostFormat
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const long ChunkElements = 64 * 1024;

    private readonly byte* codes = codes;
    private readonly float* scales = scales;
    private readonly T* output = output;
    private readonly ScaleGrid grid = grid;

    // A matrix of few long rows is cut along its rows too.
    private readonly long piece = Math.Max(1, Math.Min(grid.Columns, ChunkElements));

    private long PiecesPerRow => (grid.Columns + piece - 1) / piece;

    public static void Run(byte* codes, float* scales, T* output, ScaleGrid grid)
    {
        var work = new DequantizeWork<T, TTarget, TFormat, TLanes>(codes, scales, output, grid);
        ParallelRange.Run(work, grid.Rows * work.PiecesPerRow, ChunkElements / work.piece);
    }

    public void Run(long begin, long end)
    {
        for (long item = begin; item < end; item++)
        {
            long row = item / PiecesPerRow;
            long column = (item - row * PiecesPerRow) * piece;
            long pieceEnd = Math.Min(grid.Columns, column + piece);
            float* rowScales = scales + (row + grid.RowOffset) / grid.BlockRows * grid.ScaleColumns;
            for (long block = (column + grid.ColumnOffset) / grid.BlockColumns; column < pieceEnd; block++)
            {
                long runEnd = Math.Min(pieceEnd, grid.ColumnOf(block + 1));
                long start = row * grid.Columns + column;
                BlockRuns<T, TTarget, TLanes>.Decode<TFormat, TTarget>(codes + start, output + start, runEnd - column, rowScales[block]);
                column = runEnd;
            }
        }
    }
}
