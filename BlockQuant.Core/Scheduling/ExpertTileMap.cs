namespace BlockQuant.Scheduling;

/// <summary>
/// How rows that are sorted by expert are cut into row tiles, none of which spans two experts. Pure functions: kernels compute the same on the
/// device, where the offsets are.
/// </summary>
/// <remarks>
/// Source: finegrained-fp8 <c>w8a8_block_fp8_matmul_grouped</c>. The number of row tiles depends on shapes alone, so that one captured launch
/// serves any distribution of the rows; tiles that no expert owns do nothing.
/// </remarks>
internal static class ExpertTileMap
{
    /// <summary>The owner of a tile that no expert owns.</summary>
    public const int Unused = -1;

    /// <summary>Row tiles that suffice however the rows are distributed: ⌈rows / tileM⌉ + experts.</summary>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="tileM">Rows of one tile.</param>
    public static long RowTiles(long rows, int experts, int tileM) => (rows + tileM - 1) / tileM + experts;

    /// <summary>Row tiles of one expert: ⌈rows / tileM⌉.</summary>
    /// <param name="rows">Rows of the expert.</param>
    /// <param name="tileM">Rows of one tile.</param>
    public static int TilesOf(int rows, int tileM) => rows / tileM + (rows % tileM == 0 ? 0 : 1);

    /// <summary>The first row tile of every expert, and behind them the number of tiles in use.</summary>
    /// <param name="ends">Cumulative rows [E]: where each expert's rows end.</param>
    /// <param name="tileM">Rows of one tile.</param>
    /// <returns>Tile offsets [E + 1].</returns>
    public static int[] TileOffsets(ReadOnlySpan<int> ends, int tileM)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tileM);
        var tiles = new int[ends.Length + 1];
        int begin = 0;
        for (int expert = 0; expert < ends.Length; expert++)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(ends[expert], begin);
            tiles[expert + 1] = tiles[expert] + TilesOf(ends[expert] - begin, tileM);
            begin = ends[expert];
        }

        return tiles;
    }

    /// <summary>The expert that owns a row tile, or <see cref="Unused"/>: a binary search in the tile offsets.</summary>
    /// <param name="tileOffsets">Tile offsets [E + 1].</param>
    /// <param name="tile">The row tile.</param>
    public static int Owner(ReadOnlySpan<int> tileOffsets, long tile)
    {
        int experts = tileOffsets.Length - 1;
        if (experts < 0 || tile < 0 || tile >= tileOffsets[experts])
        {
            return Unused;
        }

        int low = 0;
        int high = experts;
        while (high - low > 1)
        {
            int middle = low + (high - low) / 2;
            if (tileOffsets[middle] <= tile)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
