using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>Arithmetic on a lane's sums: two neighbours of a row, and the two below them, eight rows on.</summary>
internal static class Sums
{
    /// <summary>total + product · row scale · column scale.</summary>
    public static Acc4 Promote(Acc4 total, Acc4 product, float upper, float lower, float first, float second) => new()
    {
        E0 = total.E0 + product.E0 * (upper * first),
        E1 = total.E1 + product.E1 * (upper * second),
        E2 = total.E2 + product.E2 * (lower * first),
        E3 = total.E3 + product.E3 * (lower * second),
    };

    /// <summary>All four times a factor.</summary>
    public static Acc4 Scale(Acc4 sums, float factor) => new()
    {
        E0 = sums.E0 * factor,
        E1 = sums.E1 * factor,
        E2 = sums.E2 * factor,
        E3 = sums.E3 * factor,
    };

    /// <summary>Writes the sums to shared memory.</summary>
    /// <param name="sums">The sums.</param>
    /// <param name="address">Where the first goes.</param>
    /// <param name="pitch">Bytes from one row to the next.</param>
    public static void Share(Acc4 sums, int address, int pitch)
    {
        SharedSums.Store2(address, sums.E0, sums.E1);
        SharedSums.Store2(address + 8 * pitch, sums.E2, sums.E3);
    }
}
