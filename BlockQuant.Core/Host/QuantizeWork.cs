using System.Runtime.InteropServices;

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
    private const long CachedBytes = 128 * 1024;
    private const int MaxBlocks = 64;
    private const long ChunkElements = 64 * 1024;

    private readonly T* source = source;
    private readonly byte* codes = codes;
    private readonly float* scales = scales;
    private readonly ScaleGrid grid = grid;
    private readonly float minScale = minScale;
    private readonly long blocksPerItem = Math.Clamp(
        CachedBytes / sizeof(T) / (grid.BlockRows * grid.BlockColumns), 1, Math.Min(MaxBlocks, Math.Max(1, grid.ScaleColumns)));

    private long ItemsPerRow => (grid.ScaleColumns + blocksPerItem - 1) / blocksPerItem;

    public static void Run(T* source, byte* codes, float* scales, ScaleGrid grid, float minScale)
    {
        var work = new QuantizeWork<T, TSource, TFormat, TLanes>(source, codes, scales, grid, minScale);
        long itemElements = Math.Max(1, grid.BlockRows * grid.BlockColumns * work.blocksPerItem);
        ParallelRange.Run(work, grid.ScaleRows * work.ItemsPerRow, ChunkElements / itemElements);
    }

    public void Run(long begin, long end)
    {
        TLanes* amax = stackalloc TLanes[MaxBlocks];
        for (long item = begin; item < end; item++)
        {
            long scaleRow = item / ItemsPerRow;
            long first = (item - scaleRow * ItemsPerRow) * blocksPerItem;
            int count = (int)Math.Min(blocksPerItem, grid.ScaleColumns - first);
            Quantize(scaleRow, first, count, amax);
        }
    }

    private void Quantize(long scaleRow, long firstBlock, int count, TLanes* amax)
    {
        new Span<TLanes>(amax, count).Clear();
        long row0 = grid.RowOf(scaleRow);
        long row1 = grid.RowOf(scaleRow + 1);
        for (long row = row0; row < row1; row++)
        {
            T* line = source + row * grid.Columns;
            for (int block = 0; block < count; block++)
            {
                long column = grid.ColumnOf(firstBlock + block);
                amax[block] = BlockRuns<T, TSource, TLanes>.MaxMagnitude(line + column, grid.ColumnOf(firstBlock + block + 1) - column, amax[block]);
            }
        }

        float* blockScales = scales + scaleRow * grid.ScaleColumns + firstBlock;
        for (int block = 0; block < count; block++)
        {
            blockScales[block] = BlockScale.Of<TFormat>(TLanes.MaxLane(amax[block]), minScale);
        }

        for (long row = row0; row < row1; row++)
        {
            for (int block = 0; block < count; block++)
            {
                long column = grid.ColumnOf(firstBlock + block);
                long start = row * grid.Columns + column;
                long length = grid.ColumnOf(firstBlock + block + 1) - column;
                if (float.IsFinite(blockScales[block]))
                {
                    BlockRuns<T, TSource, TLanes>.Encode<TFormat>(source + start, codes + start, length, blockScales[block]);
                }
                else
                {
                    NativeMemory.Fill(codes + start, (nuint)length, TFormat.NotFinite);
                }
            }
        }
    }
}
