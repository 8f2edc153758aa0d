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
    private const long OwnCacheBytes = 256 * 1024;

    /// <summary>What it may take of the last cache.</summary>
    private const long LastCacheBytes = 2048 * 1024;

    private const int MaxBlocks = 64;

    private readonly T* source = source;
    private readonly byte* codes = codes;
    private readonly float* scales = scales;
    private readonly ScaleGrid grid = grid;
    private readonly float minScale = minScale;
    private readonly bool streamed = LineStream.IsWorthwhile(grid.Rows * grid.Columns);
    private readonly long blocksPerItem = Math.Clamp(
        CachedBytes(grid) / sizeof(T) / (grid.BlockRows * grid.BlockColumns), 1, Math.Min(MaxBlocks, Math.Max(1, grid.ScaleColumns)));

    private long ItemsPerRow => (grid.ScaleColumns + blocksPerItem - 1) / blocksPerItem;

    public static void Run(T* source, byte* codes, float* scales, ScaleGrid grid, float minScale)
    {
        var work = new QuantizeWork<T, TSource, TFormat, TLanes>(source, codes, scales, grid, minScale);
        long items = grid.ScaleRows * work.ItemsPerRow;
        long itemElements = Math.Max(1, grid.BlockRows * grid.BlockColumns * work.blocksPerItem);

        // Neighbouring items follow each other on one core, to the row's end, which fetches the next while it encodes one; but every core gets
        // several chunks.
        long share = items / (4L * Environment.ProcessorCount);
        long chunk = ParallelRange.StreamChunk(grid.Rows * grid.Columns) / itemElements;
        long wholeRows = (chunk + work.ItemsPerRow - 1) / work.ItemsPerRow * work.ItemsPerRow;
        ParallelRange.Run(work, items, wholeRows <= share ? wholeRows : Math.Max(chunk, share));
    }

    /// <summary>bfloat16 is encoded faster than memory brings it, and gains by longer runs; but every core gets several items.</summary>
    private static long CachedBytes(in ScaleGrid grid)
        => typeof(T) != typeof(BFloat16)
            ? OwnCacheBytes
            : Math.Clamp(sizeof(T) * grid.Rows * grid.Columns / (4L * Environment.ProcessorCount), OwnCacheBytes, LastCacheBytes);

    public void Run(long begin, long end)
    {
        TLanes* amax = stackalloc TLanes[MaxBlocks];
        using var stage = new HostWorkspace(LineStream.StageBytes);
        for (long item = begin; item < end; item++)
        {
            long scaleRow = item / ItemsPerRow;
            long first = (item - scaleRow * ItemsPerRow) * blocksPerItem;
            int count = (int)Math.Min(blocksPerItem, grid.ScaleColumns - first);
            Quantize(scaleRow, first, count, amax, streamed ? stage.Start : null);
        }

        LineStream.Fence();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Quantize(long scaleRow, long firstBlock, int count, TLanes* amax, byte* stage)
    {
        float* blockScales = scales + scaleRow * grid.ScaleColumns + firstBlock;
        long column = grid.ColumnOf(firstBlock);
        long begin = grid.RowOf(scaleRow) * grid.Columns + column;
        long end = grid.RowOf(scaleRow + 1) * grid.Columns;
        bool single = grid.BlockRows == 1;
        if (!single)
        {
            new Span<TLanes>(amax, count).Clear();
            for (long start = begin; start < end; start += grid.Columns)
            {
                BlockRuns<T, TSource, TLanes>.MaxMagnitude(source + start, grid, firstBlock, count, amax);
            }

            BlockRuns<T, TSource, TLanes>.Scale<TFormat>(amax, count, minScale, blockScales);
        }

        for (long start = begin; start < end; start += grid.Columns)
        {
            if (single)
            {
                BlockRuns<T, TSource, TLanes>.Quantize<TFormat>(source + start, codes + start, grid, firstBlock, count, blockScales, minScale, stage);
            }
            else
            {
                BlockRuns<T, TSource, TLanes>.Encode<TFormat>(source + start, codes + start, grid, firstBlock, count, blockScales, stage);
            }
        }
    }
}
