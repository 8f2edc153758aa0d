namespace BlockQuant.Scheduling;

/// <summary>
/// Turns a matrix product whose output is quantized in the same pass into a <see cref="TilePlan"/>. A group computes a block's width of
/// <see cref="TilePlan.TileM"/> rows, <see cref="TilePlan.TileN"/> columns at a time, and keeps the results in shared memory until it knows their
/// largest magnitudes. Pure functions: the same question gets the same answer.
/// </summary>
internal static class QuantizedOutputScheduler
{
    /// <summary>The widest output block: eight rows of it leave half of the shared memory to the stages.</summary>
    public const int MaxBlockWidth = 512;

    /// <summary>The most rows of a tile.</summary>
    public const int MaxTileM = 64;

    /// <summary>Plans the product of activations [<paramref name="m"/>, K] and weights [N, K] with one output scale a row and block.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="blockWidth">Columns that share one output scale, 1 to <see cref="MaxBlockWidth"/>.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <exception cref="ArgumentException">No tile of such a block fits, or the overrides make a plan that cannot run; the message says why.</exception>
    public static TilePlan Plan(long m, long blockWidth, DeviceTraits traits, TilePlanOverrides? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(traits);
        if (blockWidth is < 1 or > MaxBlockWidth)
        {
            throw new ArgumentException($"output: scale blocks {blockWidth} columns wide; expected 1 to {MaxBlockWidth}.", nameof(blockWidth));
        }

        int width = (int)blockWidth;
        bool processor = traits.Kind == DeviceKind.Cpu;
        int tileM = processor || m <= TileScheduler.DecodeMaxRows ? TileScheduler.DecodeTileM : MaxTileM;
        int tileN = RoundUp(Math.Min(width, processor ? 16 : 128));
        while (tileM / TileScheduler.LaneRows * (tileN / TileScheduler.LaneColumns) > traits.MaxGroupSize && tileN > TileScheduler.LaneColumns)
        {
            if (tileM > TileScheduler.LaneRows)
            {
                tileM /= 2;
            }
            else
            {
                tileN = RoundUp(tileN / 2);
            }
        }

        // Shallower stages load with more barriers and worse coalescing than fewer rows do.
        while (MaxDepth(tileM, tileN, width, traits) < 16 && tileM > TileScheduler.LaneRows)
        {
            tileM /= 2;
        }

        int depth = MaxDepth(tileM, tileN, width, traits);
        if (depth < 1)
        {
            throw new ArgumentException(
                $"output: {TileScheduler.LaneRows} rows of a {width} wide scale block do not fit the {traits.SharedMemoryPerGroup} bytes of shared memory on {traits.Name}.",
                nameof(blockWidth));
        }

        int tileK = processor ? 128 : 32;
        while (tileK > depth)
        {
            tileK /= 2;
        }

        var plan = new TilePlan
        {
            TileM = overrides?.TileM ?? tileM,
            TileN = overrides?.TileN ?? tileN,
            TileK = overrides?.TileK ?? tileK,
            GroupM = overrides?.GroupM ?? 8,
            Stages = overrides?.Stages ?? 1,
        };
        if (overrides is not null)
        {
            TileScheduler.Require(plan, traits);
            RequireResults(plan, width, traits);
        }

        return plan;
    }

    /// <summary>Where in the shared floats the results begin. Where one tile covers the block, they take the place of its stages.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="blockWidth">Columns that share one output scale.</param>
    public static int ResultStart(TilePlan plan, long blockWidth) => plan.TileN >= blockWidth ? 0 : plan.SharedBytes / sizeof(float);

    private static int MaxDepth(int tileM, int tileN, int width, DeviceTraits traits)
    {
        int floats = Math.Min(TileScheduler.PortableSharedBytes, traits.SharedMemoryPerGroup) / sizeof(float);
        int results = tileM * width;
        int stages = tileN >= width ? floats : floats - results;
        return results > floats ? 0 : Math.Max(0, stages) / (tileM + tileN + 2);
    }

    private static void RequireResults(TilePlan plan, int width, DeviceTraits traits)
    {
        if (plan.TileM > MaxTileM)
        {
            throw new ArgumentException($"tile plan: {nameof(TilePlan.TileM)} is {plan.TileM}; expected at most {MaxTileM}, because the output is quantized.");
        }

        int limit = Math.Min(TileScheduler.PortableSharedBytes, traits.SharedMemoryPerGroup);
        int shared = (ResultStart(plan, width) + plan.TileM * width) * sizeof(float);
        if (shared > limit)
        {
            throw new ArgumentException(
                $"tile plan {plan}: needs {shared} bytes of shared memory with the {width} wide blocks of its output, but a group has {limit} on {traits.Name}.");
        }
    }

    private static int RoundUp(int columns)
        => (columns + TileScheduler.LaneColumns - 1) / TileScheduler.LaneColumns * TileScheduler.LaneColumns;
}
