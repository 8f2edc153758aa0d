using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Dense;

/// <summary>Writes a warp's accumulator to the output, eight neighbours of a row at a time.</summary>
internal interface ITileOutput<TAcc>
    where TAcc : unmanaged
{
    /// <param name="a">The call.</param>
    /// <param name="acc">The sums.</param>
    /// <param name="row">Output row of this lane's first sums; the others are 8, 16 and 24 rows on.</param>
    /// <param name="column">Their output column; the others' are 32 on.</param>
    static abstract void Store(DenseCall a, TAcc acc, int row, int column);
}

/// <summary>32 rows by 64 columns.</summary>
internal readonly struct TileOutput64 : ITileOutput<Acc64>
{
    public static void Store(DenseCall a, Acc64 acc, int row, int column)
    {
        TileRows.Store(a, acc.Low.Low, row, column);
        TileRows.Store(a, acc.Low.High, row, column + 32);
        TileRows.Store(a, acc.High.Low, row + 16, column);
        TileRows.Store(a, acc.High.High, row + 16, column + 32);
    }
}

/// <summary>16 rows by 32 columns.</summary>
internal readonly struct TileOutput16 : ITileOutput<Acc16>
{
    public static void Store(DenseCall a, Acc16 acc, int row, int column) => TileRows.Store(a, acc, row, column);
}

/// <summary>Two rows of a tile of 16 × 32.</summary>
internal static class TileRows
{
    public static void Store(DenseCall a, Acc16 acc, int row, int column)
    {
        (Acc4 first, Acc4 second, Acc4 third, Acc4 fourth) = (acc.Low.Low, acc.Low.High, acc.High.Low, acc.High.High);
        var upper = new Acc8
        {
            Low = new Acc4 { E0 = first.E0, E1 = first.E1, E2 = second.E0, E3 = second.E1 },
            High = new Acc4 { E0 = third.E0, E1 = third.E1, E2 = fourth.E0, E3 = fourth.E1 },
        };
        var lower = new Acc8
        {
            Low = new Acc4 { E0 = first.E2, E1 = first.E3, E2 = second.E2, E3 = second.E3 },
            High = new Acc4 { E0 = third.E2, E1 = third.E3, E2 = fourth.E2, E3 = fourth.E3 },
        };
        Write(a, upper, row, column);
        Write(a, lower, row + 8, column);
    }

    private static void Write(DenseCall a, Acc8 values, int row, int column)
    {
        int count = (row - a.M >> 31) & a.N - column, vector = a.Vector & 7 - count >> 31;
        long element = row * (long)a.N + column;
        if (a.OutputType == (int)OutputType.BFloat16)
        {
            OutputRow.StoreBFloat16(values, a.Output + element * 2, count, vector);
        }
        else if (a.OutputType == (int)OutputType.Half)
        {
            OutputRow.StoreHalf(values, a.Output + element * 2, count, vector);
        }
        else
        {
            OutputRow.StoreSingle(values, a.Output + element * 4, count, vector);
        }
    }
}
