using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// Up to 32 rows sorted by expert, those of one expert in their own order: each lane of a warp holds a row. Every warp that has to know the
/// order finds it itself, which takes less time than to learn it from another kernel.
/// </summary>
/// <remarks>Nothing here branches on what intrinsics return, which ILGPU takes for uniform over the warp.</remarks>
internal struct BatchedRows
{
    /// <summary>The most rows.</summary>
    public const int MaxRows = HopperExpertScheduler.MaxWarpRows;

    /// <summary>Rows of a tile, all of one expert.</summary>
    public const int TileM = 8;

    // The expert of rows that have none: behind all others.
    private const int NoExpert = ExpertPlacesKernel.MaxExperts;

    /// <summary>The expert of this lane's row; what is no expert sorts behind the last.</summary>
    public int Expert;

    /// <summary>The row's place among the sorted ones.</summary>
    public int Place;

    /// <summary>1 where the row is the first of a tile, else 0.</summary>
    public int Leads;

    /// <summary>Rows of the tile, where the row is its first.</summary>
    public int Count;

    /// <summary>1 where the row's id is no expert, else 0.</summary>
    public int Wrong;

    /// <summary>The order of rows by their experts.</summary>
    /// <param name="id">The id of this lane's row; of no account in lanes past the rows.</param>
    /// <param name="rows">Rows, at most <see cref="MaxRows"/>.</param>
    /// <param name="experts">Experts, at most as many as <see cref="ExpertPlacesKernel"/> takes.</param>
    public static BatchedRows Of(int id, int rows, int experts)
    {
        int lane = Group.IdxX & 31;
        int wrong = Sign(id | (experts - 1 - id)), absent = Sign(rows - 1 - lane);
        int expert = Pin.Int32((id & ~(wrong | absent)) | (NoExpert & (wrong | absent)));
        int key = Pin.Int32(expert * MaxRows + lane), before = 0, earlier = 0, same = 0;
        for (int row = 0; row < rows; row += 4)
        {
            // Four exchanges, none of which waits for another. Lanes behind the rows have higher keys than all of them.
            int a = Lanes.Broadcast(key, row), b = Lanes.Broadcast(key, row + 1);
            int c = Lanes.Broadcast(key, row + 2), d = Lanes.Broadcast(key, row + 3);
            before += Below(key, a, b, c, d);
            earlier += Below(expert * MaxRows, a, b, c, d);
            same += Below((expert + 1) * MaxRows, a, b, c, d);
        }
        int rank = before - earlier;
        return new BatchedRows
        {
            Expert = expert,
            Place = Pin.Int32(before),
            Leads = Pin.Int32(Sign((rank & (TileM - 1)) - 1) & ~(wrong | absent) & 1),
            Count = Pin.Int32(Math.Min(same - before, TileM)),
            Wrong = Pin.Int32(wrong & ~absent & 1),
        };
    }

    /// <summary>Tiles of all experts together.</summary>
    public readonly int Tiles() => Lanes.Find(Leads, 0).Total;

    /// <summary>A tile: those of all experts take turns, so that the ones of the same expert and weights run at once.</summary>
    /// <param name="tile">Its place in the order of work.</param>
    /// <param name="tiles">Of <see cref="Tiles"/>.</param>
    /// <param name="tileN">Columns of a tile.</param>
    public readonly ExpertTile Tile(int tile, int tiles, int tileN)
    {
        int column = Pin.Int32(tile / tiles), leader = Lanes.Find(Leads, tile - column * tiles).Lane;
        int row = Lanes.Broadcast(Place, leader);
        return new ExpertTile
        {
            Expert = Lanes.Broadcast(Expert, leader),
            Row = row,
            End = row + Lanes.Broadcast(Count, leader),
            Column = Pin.Int32(column * tileN),
        };
    }

    /// <summary>The row that lies at a place.</summary>
    public readonly int RowAt(int place) => Lanes.Find(IsZero(Place - place), 0).Lane;

    /// <summary>The first row whose id is no expert; 32 where there is none.</summary>
    public readonly int FirstWrong() => Lanes.Find(Wrong, 0).Lane;

    private static int Below(int limit, int a, int b, int c, int d) => -(Sign(a - limit) + Sign(b - limit) + Sign(c - limit) + Sign(d - limit));

    private static int Sign(int value) => value >> 31;

    private static int IsZero(int value) => 1 + Sign(value | -value);
}
