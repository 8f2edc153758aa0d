using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>
/// Quantizes the blocks of a matrix by their own largest magnitudes. An item is a few neighbouring blocks, few enough that their elements are
/// still in the cache when they are encoded, and enough that rows are read in long runs.
/// </summary>
internal readonly unsafe struct QuantizeWork<T, TSource, TFormat, TLanes>(T* source, byte* codes, float* scales, ScaleGrid grid, float minScale)
    : IRangeWork
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TFormat : struct, IHostFormat
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>What a core's own cache holds beside the next item.</summary>
    private const long CachedBytes = 256 * 1024;

    private const int MaxBlocks = 64;

    /// <summary>Rows of a strip that are asked for before they are needed.</summary>
    private const long RowsAhead = 4;

    /// <summary>A run's last line holds less of it than the others where memory is not aligned: it is the end of each vector that is asked for.</summary>
    private const long LastOfLine = LineStream.Line - 1;

    /// <summary>The most rows of blocks that leave a line each to the next blocks.</summary>
    private const long MaxLeavingRows = 1024;

    private readonly T* source = source;
    private readonly byte* codes = codes;
    private readonly float* scales = scales;
    private readonly ScaleGrid grid = grid;
    private readonly float minScale = minScale;
    private readonly bool streamed = LineStream.IsWorthwhile(grid.Rows * grid.Columns);
    private readonly long blocksPerItem = Math.Clamp(
        CachedBytes / sizeof(T) / (grid.BlockRows * grid.BlockColumns), 1, Math.Min(MaxBlocks, Math.Max(1, grid.ScaleColumns)));

    private long ItemsPerRow => (grid.ScaleColumns + blocksPerItem - 1) / blocksPerItem;

    public static void Run(T* source, byte* codes, float* scales, ScaleGrid grid, float minScale)
    {
        grid = grid.InFewestRows();
        var work = new QuantizeWork<T, TSource, TFormat, TLanes>(source, codes, scales, grid, minScale);
        long items = grid.ScaleRows * work.ItemsPerRow;
        long itemElements = Math.Max(1, grid.BlockRows * grid.BlockColumns * work.blocksPerItem);

        // Neighbouring items follow each other on one core, to the row's end, which fetches the next while it encodes one; but every core gets
        // several chunks.
        long share = items / (4L * Environment.ProcessorCount);
        long chunk = ParallelRange.StreamChunk(grid.Rows * grid.Columns) / itemElements;
        long wholeRows = (chunk + work.ItemsPerRow - 1) / work.ItemsPerRow * work.ItemsPerRow;
        ParallelRange.Run(work, items, grid.BlockRows == 1 ? chunk : wholeRows <= share ? wholeRows : Math.Max(chunk, share));
    }

    public void Run(long begin, long end)
    {
        using var stage = new HostWorkspace(LineStream.StageBytes);
        if (grid.BlockRows == 1)
        {
            QuantizeRows(begin, end, streamed ? stage.Start : null);
        }
        else
        {
            QuantizeStrips(begin, end, streamed ? stage.Start : null);
        }

        LineStream.Fence();
    }

    /// <summary>Blocks of one row, all items of a row in one run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void QuantizeRows(long begin, long end, byte* stage)
    {
        long items;
        for (long item = begin; item < end; item += items)
        {
            items = Math.Min(Math.Min(end - item, ItemsPerRow - item % ItemsPerRow), Math.Max(1, int.MaxValue / (blocksPerItem * grid.BlockColumns)));
            Strip strip = StripOf(item, items);
            BlockRuns<T, TSource, TLanes>.Quantize<TFormat>(
                source + strip.Start, codes + strip.Start, grid, strip.FirstBlock, strip.Count, scales + strip.Scales, minScale, stage);
        }
    }

    /// <summary>
    /// Blocks of several rows, which are read twice: from memory for their largest magnitudes, then from the cache. After each row of one strip's codes
    /// comes a row of the next strip's magnitudes, so that memory does not wait for codes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void QuantizeStrips(long begin, long end, byte* stage)
    {
        TLanes* amax = stackalloc TLanes[MaxBlocks];
        bool leavesLines = stage != null && BlockRuns<T, TSource, TLanes>.LeavesLines && grid.BlockRows <= MaxLeavingRows;
        using var lines = new HostWorkspace(leavesLines ? grid.BlockRows * JoinedLines.Length : 0);
        Strip strip = StripOf(begin);
        new Span<TLanes>(amax, strip.Count).Clear();
        for (long row = 0; row < strip.Rows; row++)
        {
            MaxMagnitude(strip, row, amax, RowsAhead * grid.Columns * sizeof(T));
        }

        bool left = false;
        for (long item = begin; item < end; item++)
        {
            BlockRuns<T, TSource, TLanes>.Scale<TFormat>(amax, strip.Count, minScale, scales + strip.Scales);
            Strip next = item + 1 < end ? StripOf(item + 1) : default;
            Strip later = item + 2 < end ? StripOf(item + 2) : default;
            bool leaves = leavesLines && strip.WholeBlocks == strip.Count && next.WholeBlocks > 0 && next.ScaleRow == strip.ScaleRow;
            new Span<TLanes>(amax, next.Count).Clear();
            for (long row = 0; row < Math.Max(strip.Rows, next.Rows); row++)
            {
                if (row < strip.Rows)
                {
                    long start = strip.Start + row * grid.Columns;
                    long ahead = row + RowsAhead < next.Rows ? next.Start + (row + RowsAhead) * grid.Columns : later.Start + (row + RowsAhead - next.Rows) * grid.Columns;
                    byte* line = lines.Start + row * JoinedLines.Length;
                    BlockRuns<T, TSource, TLanes>.Encode<TFormat>(
                        source + start, codes + start, grid, strip.FirstBlock, strip.Count, scales + strip.Scales, stage,
                        (ahead - start) * sizeof(T) + LastOfLine, left ? line : null, leaves ? line : null);
                }

                if (row < next.Rows)
                {
                    MaxMagnitude(next, row, amax, 0);
                }
            }

            left = leaves;
            strip = next;
        }
    }

    private void MaxMagnitude(in Strip strip, long row, TLanes* amax, long ahead)
        => BlockRuns<T, TSource, TLanes>.MaxMagnitude(source + strip.Start + row * grid.Columns, grid, strip.FirstBlock, strip.Count, amax, ahead + LastOfLine);

    private Strip StripOf(long item, long items = 1)
    {
        long scaleRow = item / ItemsPerRow;
        long first = (item - scaleRow * ItemsPerRow) * blocksPerItem;
        int count = (int)Math.Min(items * blocksPerItem, grid.ScaleColumns - first);
        long row = grid.RowOf(scaleRow);
        return new Strip(
            scaleRow, first, count, grid.WholeBlocks(first, count, 2 * JoinedLines.Length), row * grid.Columns + grid.ColumnOf(first),
            grid.RowOf(scaleRow + 1) - row, scaleRow * grid.ScaleColumns + first);
    }

    /// <summary>A few neighbouring blocks.</summary>
    /// <param name="ScaleRow">Their row of blocks.</param>
    /// <param name="FirstBlock">The first one's column of blocks.</param>
    /// <param name="Count">Blocks.</param>
    /// <param name="WholeBlocks">How many of them have as many columns as two vectors have codes.</param>
    /// <param name="Start">Elements before their first.</param>
    /// <param name="Rows">Rows.</param>
    /// <param name="Scales">Scales before their first.</param>
    private readonly record struct Strip(long ScaleRow, long FirstBlock, int Count, long WholeBlocks, long Start, long Rows, long Scales);
}
