namespace BlockQuant.Scheduling;

/// <summary>
/// Chooses how products of rows with their experts' weights run on a Hopper GPU. Only the device knows how many rows each expert has, so
/// the choice follows the average.
/// </summary>
internal static class HopperExpertScheduler
{
    /// <summary>The most experts that the kernel that sorts rows by expert counts.</summary>
    public const int MaxBatchedExperts = 1024;

    /// <summary>The most rows that a warp sorts by expert, a row a lane.</summary>
    public const int MaxWarpRows = 32;

    /// <summary>Rows of the tiles that there are kernels of for few rows an expert.</summary>
    internal static readonly int[] DecodeRows = [16, 32, 64];

    // The smallest tiles that the kernels cut a product into, and how many of them they count.
    private const int MinTileM = 16, MinTileN = 128;
    private const long MaxTiles = int.MaxValue / 2;

    /// <summary>Rows that an expert has at most, on average, where the weights are still the larger operand of every tile.</summary>
    private const int MaxDecodeRows = 32;

    // Measured on an H200: 128 rows an expert of random number, K = 7168 and K = 2048.
    private const int MaxRaggedRows = 192, MinRaggedDepth = 4096;

    /// <summary>What about the size of a product keeps it from the kernels, or null.</summary>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="n">Weight rows of an expert.</param>
    /// <param name="k">Columns of both operands.</param>
    public static string? Obstacle(long rows, int experts, long n, long k)
        => rows < 1 || experts < 1 || n < 1 || k < 1 ? "a dimension is empty"
            : Math.Max(rows, k) > HopperScheduler.MaxExtent || n > HopperScheduler.MaxExtent / experts ? "a dimension, or experts times columns, passes 2^31 - 257"
            : ExpertTileMap.RowTiles(rows, experts, MinTileM) * ((n + MinTileN - 1) / MinTileN) > MaxTiles ? "there may be more than 2^30 tiles"
            : null;

    /// <summary>The plan for rows that are sorted by expert.</summary>
    /// <param name="rows">Rows of all experts together, at least 1.</param>
    /// <param name="experts">Experts, at least 1.</param>
    /// <param name="n">Weight rows of an expert, at least 1.</param>
    /// <param name="k">Columns of both operands, at least 1.</param>
    /// <param name="multiprocessors">Multiprocessors of the GPU.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is not positive.</exception>
    public static HopperPlan Grouped(long rows, int experts, long n, long k, int multiprocessors)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(experts);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(multiprocessors);
        if (rows <= (long)MaxDecodeRows * experts)
            return Decode(rows, experts);
        // Wide tiles multiply fastest, but an expert of little more than 128 rows has them read its weights twice. Reading them once pays
        // where tiles are deep, so that their fixed cost counts little, and where there would be fewer wide ones than multiprocessors.
        bool ragged = rows <= (long)MaxRaggedRows * experts && k >= MinRaggedDepth;
        if (!ragged && (rows / 128 + experts) * ((n + 255) / 256) >= multiprocessors)
            return new HopperPlan(HopperKernelKind.GroupedPrefill, 128, 256, 1, 16);
        int tileM = 256;
        while (tileM > 64 && (rows / tileM + experts) * ((n + 127) / 128) < multiprocessors)
            tileM -= 64;
        return new HopperPlan(HopperKernelKind.GroupedPrefill, tileM, 128, 1, 8);
    }

    /// <summary>The plan for rows in any order.</summary>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="experts">Experts, at least 1.</param>
    /// <param name="n">Weight rows of an expert, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is not positive.</exception>
    public static HopperPlan Batched(long rows, int experts, long n)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(experts);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        // Such rows have tiles of 8 whoever owns them: where one expert has them all, its weights come from memory once all the same.
        return rows <= MaxWarpRows ? new HopperPlan(HopperKernelKind.BatchedDecode, 8, 128, 1, 1) : Decode(rows, experts);
    }

    // The smallest tile that holds what an expert has, when it has twice the average.
    private static HopperPlan Decode(long rows, int experts)
    {
        double likely = 2.0 * rows / experts;
        return new HopperPlan(HopperKernelKind.GroupedDecode, likely <= 16 ? 16 : likely <= 32 ? 32 : 64, 128, 1, 16);
    }
}
