using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>What a block of the decode kernels computes: a tile, and of K its rank's part in the cluster.</summary>
internal struct DecodePart
{
    /// <summary>The logarithm of the number of blocks of the cluster, which is 1, 2, 4 or 8.</summary>
    public int Bits;

    /// <summary>This block's rank in it.</summary>
    public int Rank;

    /// <summary>The tile's first token.</summary>
    public int M0;

    /// <summary>The tile's first weight row.</summary>
    public int N0;

    /// <summary>The part's first block of K.</summary>
    public int Begin;

    /// <summary>The block of K behind its last.</summary>
    public int End;

    /// <summary>This block's part.</summary>
    /// <param name="tokens">Tokens of a tile; a constant.</param>
    /// <param name="tileN">Weight rows of a tile; likewise.</param>
    /// <param name="rows">Tokens of the product.</param>
    /// <param name="blocks">Blocks of K.</param>
    public static DecodePart Of(int tokens, int tileN, int rows, int blocks)
    {
        // All that a block does waits for this, and a division takes as long as a hundred other instructions.
        int split = Pin.Int32(Cluster.Size()), bits = Pin.Int32((split >> 1) - (split >> 3)), rank = Pin.Int32(Cluster.Rank());
        int tile = Pin.Int32(Grid.IdxX >> bits), column = tile, tileM = 0;
        if (rows > tokens)
        {
            int tilesM = (rows + tokens - 1) / tokens;
            column = Pin.Int32(tile / tilesM);
            tileM = tile - column * tilesM;
        }
        return new DecodePart
        {
            Bits = bits,
            Rank = rank,
            // The last of several ends with the rows, as in PrefillRing: the copy engine takes longer over rows that do not exist.
            M0 = Pin.Int32(Math.Min(tileM * tokens, Math.Max(rows - tokens, 0))),
            N0 = Pin.Int32(column * tileN),
            Begin = Pin.Int32(blocks * rank >> bits),
            End = Pin.Int32(blocks * (rank + 1) >> bits),
        };
    }
}
