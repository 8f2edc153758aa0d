namespace BlockQuant.Scheduling;

/// <summary>
/// Turns a LoRA shrink or expand and a device into a <see cref="LoraPlan"/>. Pure functions: the same question gets the same answer.
/// </summary>
internal static class LoraScheduler
{
    /// <summary>The most tokens in one tile.</summary>
    public const int MaxTileM = 128;

    private const int GpuLanes = 128;

    /// <summary>Plans a product of tokens with the weights [<paramref name="n"/>, <paramref name="k"/>] of their adapters.</summary>
    /// <param name="tokens">Tokens of all adapters.</param>
    /// <param name="n">Rows of the widest slice's weights: the rank in shrink, output columns in expand.</param>
    /// <param name="k">Depth: the hidden size in shrink, the rank in expand.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <exception cref="ArgumentException">The overrides make a plan that no kernel can run; the message says why.</exception>
    public static LoraPlan Plan(long tokens, long n, long k, DeviceTraits traits, LoraPlanOverrides? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(traits);

        // A processor pays for every lane and every barrier, so one lane does a tile alone.
        bool processor = traits.Kind == DeviceKind.Cpu;
        int tileM = overrides?.TileM ?? (processor ? 8 : 16);
        int tileN = overrides?.TileN ?? (processor ? 4 : (int)Math.Clamp((n + 15) / 16 * 16, 16, 64));
        int tileK = overrides?.TileK ?? (processor ? 128 : 64);
        while (overrides?.TileN is null && tileN > TileScheduler.LaneColumns && LaneTiles(tileM, tileN) > traits.MaxGroupSize)
        {
            tileN = Math.Max(TileScheduler.LaneColumns, tileN - 16);
        }

        var plan = new LoraPlan
        {
            TileM = tileM,
            TileN = tileN,
            TileK = tileK,
            DepthLanes = overrides?.DepthLanes ?? (processor ? 1 : Math.Max(1, Math.Min(GpuLanes, traits.MaxGroupSize) / Math.Max(1, LaneTiles(tileM, tileN)))),
            SplitK = overrides?.SplitK ?? 1,
        };
        Require(plan, traits);
        return plan;
    }

    /// <summary>A split of the depth that gives every multiprocessor work when few tokens meet a deep K; 1 when there are tiles enough.</summary>
    /// <param name="tokens">Tokens of all adapters.</param>
    /// <param name="rank">The largest rank of a slice.</param>
    /// <param name="k">The hidden size.</param>
    /// <param name="slices">Slices in the launch.</param>
    /// <param name="traits">The device.</param>
    public static int SuggestSplitK(long tokens, long rank, long k, int slices, DeviceTraits traits)
    {
        LoraPlan plan = Plan(tokens, rank, k, traits);
        long tiles = Math.Max(1, (tokens + plan.TileM - 1) / plan.TileM * ((rank + plan.TileN - 1) / plan.TileN) * slices);
        if (traits.Kind == DeviceKind.Cpu)
        {
            return 1;
        }

        // Below eight stages the sum of the partial results costs more than the split saves.
        long deepest = Math.Max(1, k / (8L * plan.TileK));
        return (int)Math.Clamp(2L * traits.Multiprocessors / tiles, 1, Math.Min(deepest, 16));
    }

    private static int LaneTiles(int tileM, int tileN) => tileM / TileScheduler.LaneRows * (tileN / TileScheduler.LaneColumns);

    private static void Require(LoraPlan plan, DeviceTraits traits)
    {
        Positive(plan.TileM, nameof(LoraPlan.TileM), TileScheduler.LaneRows);
        Positive(plan.TileN, nameof(LoraPlan.TileN), TileScheduler.LaneColumns);
        Positive(plan.TileK, nameof(LoraPlan.TileK), 1);
        Positive(plan.DepthLanes, nameof(LoraPlan.DepthLanes), 1);
        Positive(plan.SplitK, nameof(LoraPlan.SplitK), 1);
        if (plan.TileM > MaxTileM)
        {
            throw new ArgumentException($"LoRA plan {plan}: {nameof(LoraPlan.TileM)} is {plan.TileM}; expected at most {MaxTileM}.");
        }

        long lanes = (long)plan.TileM * plan.TileN / (TileScheduler.LaneRows * TileScheduler.LaneColumns) * plan.DepthLanes;
        if (lanes > traits.MaxGroupSize)
        {
            throw new ArgumentException(
                $"LoRA plan {plan}: needs {lanes} lanes in a group, but {traits.Name} has at most {traits.MaxGroupSize}.");
        }

        int limit = Math.Min(TileScheduler.PortableSharedBytes, traits.SharedMemoryPerGroup);
        if (plan.SharedBytes > limit)
        {
            throw new ArgumentException(
                $"LoRA plan {plan}: needs {plan.SharedBytes} bytes of shared memory, but a group has {limit} on {traits.Name}.");
        }
    }

    private static void Positive(int value, string name, int multiple)
    {
        if (value <= 0 || value % multiple != 0)
        {
            throw new ArgumentException($"LoRA plan: {name} is {value}; expected a positive multiple of {multiple}.");
        }
    }
}
