using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>The rows of one tile of 16: some or all tokens of one adapter.</summary>
internal struct TokenRows
{
    /// <summary>Rows of a tile.</summary>
    public const int Tile = 1 << TileShift;

    /// <summary>Rows of a tile, as a power of two.</summary>
    public const int TileShift = 4;

    /// <summary>Below 0 for rows without an adapter.</summary>
    public int Adapter;

    /// <summary>Place of the first row in the sorted order.</summary>
    public int Position;

    /// <summary>0 for a tile beyond the last.</summary>
    public int Count;

    /// <summary>
    /// The rows of a tile: each lane reads one entry of the map, since a walk over the entries would wait for memory once for each.
    /// </summary>
    public static TokenRows Find(LoraCall a, int tile)
    {
        var rows = new TokenRows { Adapter = -1 };
        int lane = Group.IdxX & 31, before = 0;
        for (int first = 0; first < a.Entries; first += 32)
        {
            // Lanes past the end read nothing; the sign of the difference says which.
            int exists = first + lane - a.Entries >> 31;
            long entry = (first + lane) * 4L;
            int count = GlobalMemory.LoadCurrent4(a.Counts + entry, exists), start = GlobalMemory.LoadCurrent4(a.Starts + entry, exists);
            int adapter = GlobalMemory.LoadCurrent4(a.AdapterIds + entry, exists);
            count = Math.Min(Math.Max(count, 0), a.Tokens);
            LaneSearch found = Lanes.Find(count + Tile - 1 >> TileShift, tile - before);
            if (found.Lane < 32)
            {
                int offset = tile - before - found.Before << TileShift;
                int id = Lanes.Broadcast(adapter, found.Lane);
                rows.Adapter = id < a.Adapters ? Math.Max(id, -1) : -1;
                rows.Position = Lanes.Broadcast(start, found.Lane) + offset;
                rows.Count = Math.Min(Tile, Lanes.Broadcast(count, found.Lane) - offset);
            }

            before += found.Total;
        }

        return rows;
    }

    /// <summary>The token of a row, or −1 where there is none or the map is not in order: such a row is neither read nor written.</summary>
    public readonly int Token(LoraCall a, int row)
    {
        int position = Position + row;
        int exists = (row - Count & position - a.Tokens & ~position) >> 31;
        int token = GlobalMemory.Load4(a.SortedTokens + position * 4L, exists);
        int known = (exists & token - a.Tokens & ~token) >> 31;
        return token & known | ~known;
    }
}
