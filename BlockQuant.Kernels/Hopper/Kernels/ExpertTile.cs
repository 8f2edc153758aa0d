using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// One tile of a product over rows that are sorted by expert. Where it lies is looked up on the device, in the tile offsets of
/// <see cref="Portable.ExpertTileOffsetsKernel"/>, so that a launch serves any distribution of the rows.
/// </summary>
internal struct ExpertTile
{
    /// <summary>The expert whose weights the tile takes.</summary>
    public int Expert;

    /// <summary>The first row.</summary>
    public int Row;

    /// <summary>Where the tile's rows end.</summary>
    public int End;

    /// <summary>The first column of the output, a weight row of the expert.</summary>
    public int Column;

    /// <summary>Row tiles in use.</summary>
    public static int RowTiles(long tileOffsets, int experts) => Global.Int32(tileOffsets + (long)experts * 4);

    /// <summary>
    /// The place that a block goes on to: rounds over the grid alternate in direction, so that where every other tile is a ragged end, no
    /// block gets only whole ones.
    /// </summary>
    public static int Next(int tile) => 2 * (tile / Grid.DimX + 1) * Grid.DimX - 1 - tile;

    /// <summary>
    /// The tile at a place in the order of work: expert by expert, inside an expert m fastest in bands of <paramref name="groupM"/> row
    /// tiles. So an expert's weights come from memory once, and many rows of one expert do not push each other out of L2. An expert's row
    /// tiles share its pieces evenly, so that none is much smaller than the others.
    /// </summary>
    /// <param name="tile">The place, below <see cref="RowTiles"/> × <paramref name="tilesN"/>; the same for all lanes of the warp.</param>
    /// <param name="tilesN">Column tiles.</param>
    /// <param name="pieceM">Rows of a piece, of which a row tile has one or more.</param>
    /// <param name="tileN">Columns of a tile.</param>
    /// <param name="groupM">Row tiles of a band.</param>
    /// <param name="ends">Global address of where each expert's rows end.</param>
    /// <param name="tileOffsets">Global address of each expert's first row tile, and behind them the number in use.</param>
    /// <param name="experts">Experts.</param>
    public static ExpertTile Locate(int tile, int tilesN, int pieceM, int tileN, int groupM, long ends, long tileOffsets, int experts)
    {
        int expert = Pin.Int32(Owner(Pin.Int32(tile / tilesN), tileOffsets, experts));
        int first = Global.Int32(tileOffsets + (long)expert * 4), tilesM = Global.Int32(tileOffsets + (long)expert * 4 + 4) - first;
        int begin = 0;
        if (expert > 0)
            begin = Global.Int32(ends + (long)expert * 4 - 4);
        int end = Global.Int32(ends + (long)expert * 4);
        int inside = tile - first * tilesN;
        int band = Pin.Int32(inside / (groupM * tilesN));
        int rest = inside - band * groupM * tilesN;
        int height = Math.Min(groupM, tilesM - band * groupM);
        int n = Pin.Int32(rest / height), m = band * groupM + rest - n * height;
        int pieces = (end - begin + pieceM - 1) / pieceM;
        int share = Pin.Int32(pieces / tilesM), larger = pieces - share * tilesM;
        int row = Pin.Int32(begin + (m * share + Math.Min(m, larger)) * pieceM);
        return new ExpertTile
        {
            Expert = expert,
            Row = row,
            End = Pin.Int32(Math.Min(end, row + (m < larger ? share + 1 : share) * pieceM)),
            Column = Pin.Int32(n * tileN),
        };
    }

    // The last expert whose first row tile is not behind the one asked for: each step of the warp narrows the span to a 32nd.
    private static int Owner(int rowTile, long tileOffsets, int experts)
    {
        int lane = Pin.Int32(Group.IdxX & 31), low = 0, span = experts;
        while (span > 1)
        {
            int stride = Pin.Int32((span + 31) >> 5);
            // The entry behind the span is above the row tile, so lanes past the span count for nothing.
            long place = low + Math.Min((lane + 1) * stride, span);
            int passed = Global.CountAtMost(tileOffsets + place * 4, rowTile) * stride;
            low += passed;
            span = Math.Min(stride, span - passed);
        }
        return low;
    }
}
