using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>Output = code × scale of its block. An item is a run of one row.</summary>
internal readonly unsafe struct DequantizeWork<T, TTarget, TFormat, TLanes>(byte* codes, float* scales, T* output, ScaleGrid grid) : IRangeWork
    where T : unmanaged
    where TTarget : struct, ILaneSource<T>, ILaneTarget<T>
    where TFormat : struct, IHostFormat
    where TLanes : unmanaged, ILanes<TLanes>
{
    private readonly byte* codes = codes;
    private readonly float* scales = scales;
    private readonly T* output = output;
    private readonly ScaleGrid grid = grid;

    private readonly bool streamed = LineStream.IsWorthwhile(grid.Rows * grid.Columns * sizeof(T));

    // A matrix of few long rows is cut along its rows too.
    private readonly long piece = Math.Max(1, Math.Min(grid.Columns, ParallelRange.LeastChunk));

    private long PiecesPerRow => (grid.Columns + piece - 1) / piece;

    public static void Run(byte* codes, float* scales, T* output, ScaleGrid grid)
    {
        var work = new DequantizeWork<T, TTarget, TFormat, TLanes>(codes, scales, output, grid);
        ParallelRange.Run(work, grid.Rows * work.PiecesPerRow, ParallelRange.StreamChunk(grid.Rows * grid.Columns) / work.piece);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(long begin, long end)
    {
        using var stage = new HostWorkspace(streamed ? LineStream.StageBytes : 0);
        for (long item = begin; item < end; item++)
        {
            long row = item / PiecesPerRow;
            long column = (item - row * PiecesPerRow) * piece;
            long length = Math.Min(piece, grid.Columns - column);
            long start = row * grid.Columns + column;
            float* rowScales = scales + (row + grid.RowOffset) / grid.BlockRows * grid.ScaleColumns;
            if (typeof(TLanes) == typeof(Lanes512) && DecodedGroups<T, TFormat>.IsSupported)
            {
                long done = DecodedGroups<T, TFormat>.Decode(codes + start, output + start, grid, column, length, rowScales, streamed);
                start += done;
                column += done;
                length -= done;
            }

            if (streamed)
            {
                BlockRuns<T, TTarget, TLanes>.DecodeStreamed<TFormat, TTarget>(codes + start, output + start, grid, column, length, rowScales, stage.Start);
            }
            else
            {
                BlockRuns<T, TTarget, TLanes>.Decode<TFormat, TTarget>(codes + start, output + start, grid, column, length, rowScales);
            }
        }

        LineStream.Fence();
    }
}
