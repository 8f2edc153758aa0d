namespace BlockQuant.Scheduling;

/// <summary>
/// Turns an INT8 product and a device into a <see cref="TilePlan"/>, with tensor cores where they fit. Pure functions: the same question gets the
/// same answer. A product and the same product quantized split K alike, so that the one is the other, quantized, to the last bit.
/// </summary>
internal static class Int8Scheduler
{
    private const int Block = 128;
    private const double ClockMegahertz = 1500;

    /// <summary>Weight rows of the tiles that there are kernels of for many tokens.</summary>
    internal static readonly int[] Widths = [256, 192, 128];

    /// <summary>Those of them that hold whole 1×128 groups, and so there are kernels of which quantize their output.</summary>
    internal static readonly int[] QuantizingWidths = Array.FindAll(Widths, width => width % Block == 0);

    /// <summary>Plans a product whose output is rounded to a float type.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">True where the operands have 1×128 and 128×128 scale blocks and rows in multiples of 16 bytes.</param>
    /// <param name="tuned">Plans measured on the device, which go before the model's where nothing is fixed; or null.</param>
    /// <exception cref="ArgumentException">The overrides make a plan that no kernel can run; the message says why.</exception>
    public static TilePlan Plan(
        long m, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides = null, bool fitsTensorCores = false, TunedPlans? tuned = null)
    {
        TileScheduler.RequireNoDenseKernel(overrides);
        bool runsOnHopper = TileScheduler.RunsOnHopper(traits, overrides, fitsTensorCores, HopperScheduler.Obstacle(m, n, k));
        if (overrides is null && tuned?.Find(m, n, k, ElementFormat.Int8) is { } measured
            && measured.Hopper is not null == runsOnHopper
            && (measured.Hopper is not { } tunedHopper || HopperScheduler.Takes(tunedHopper, m, n))
            && TileScheduler.IsPossible(measured, traits.MaxGroupSize, TileScheduler.SharedLimit(traits)))
        {
            return measured;
        }

        TilePlan plan = TileScheduler.PlanPortable(m, traits, overrides);
        return runsOnHopper
            ? plan with { Hopper = Fastest((int)m, (int)n, (int)k, traits.Multiprocessors, quantizes: false) }
            : plan;
    }

    /// <summary>Plans a product whose output is quantized in the same pass, with one scale a row and block.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="blockWidth">Columns that share one output scale, 1 to <see cref="QuantizedOutputScheduler.MaxBlockWidth"/>.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">True where the operands have 1×128 and 128×128 scale blocks and rows in multiples of 16 bytes.</param>
    /// <param name="tuned">
    /// As in <see cref="Plan"/>, where tensor cores take the product: a portable kernel that quantizes has tiles of its own, made for its blocks.
    /// </param>
    /// <exception cref="ArgumentException">No plan fits such a block, or the overrides make one that cannot run; the message says why.</exception>
    public static TilePlan PlanQuantized(
        long m,
        long n,
        long k,
        long blockWidth,
        DeviceTraits traits,
        TilePlanOverrides? overrides = null,
        bool fitsTensorCores = false,
        TunedPlans? tuned = null)
    {
        TileScheduler.RequireNoDenseKernel(overrides);
        TilePlan plan = QuantizedOutputScheduler.Plan(m, blockWidth, traits, overrides);
        if (!TileScheduler.RunsOnHopper(traits, overrides, fitsTensorCores && blockWidth == Block, HopperScheduler.Obstacle(m, n, k)))
        {
            return plan;
        }

        HopperPlan hopper = overrides is null && tuned?.Find(m, n, k, ElementFormat.Int8)?.Hopper is { } measured && HopperScheduler.Takes(measured, m, n)
            ? Quantizing(measured, (int)m, (int)n, (int)k, traits.Multiprocessors)
            : Fastest((int)m, (int)n, (int)k, traits.Multiprocessors, quantizes: true);
        return plan with { Hopper = hopper };
    }

    /// <summary>The Hopper plan that a cost model expects to be fastest.</summary>
    /// <param name="m">Rows of the output, at least 1.</param>
    /// <param name="n">Columns of the output, at least 1.</param>
    /// <param name="k">Depth, at least 1.</param>
    /// <param name="multiprocessors">Multiprocessors of the GPU.</param>
    /// <param name="quantizes">True where the output is quantized: its tiles hold whole 1×128 groups.</param>
    public static HopperPlan Fastest(int m, int n, int k, int multiprocessors, bool quantizes)
    {
        // Few tokens are bound by the memory that the weights come from, as in FP8.
        HopperPlan plan = HopperScheduler.Plan(m, n, k, multiprocessors, narrow: false);
        return plan.Kind == HopperKernelKind.Decode ? plan : FastestPrefill(m, n, k, multiprocessors, quantizes);
    }

    /// <summary>The plans that may be fastest for a product: what tuning measures.</summary>
    internal static HopperPlan[] Candidates(int m, int n, int k, int multiprocessors) =>
    [
        .. Widths.Select(Prefill),
        .. HopperScheduler.Candidates(m, n, k, multiprocessors, narrow: false).Where(plan => plan.Kind == HopperKernelKind.Decode),
    ];

    /// <summary>Whether there is an INT8 kernel of the plan's tile.</summary>
    internal static bool HasKernel(HopperPlan plan) =>
        HopperScheduler.HasKernel(plan) && plan is { OverlapStores: false, Pairs: false } && !HopperScheduler.IsNarrow(plan)
        && (plan.Kind == HopperKernelKind.Decode || Widths.Contains(plan.TileN));

    // The measured plan, or the best of its kind that quantizes: it splits K alike.
    private static HopperPlan Quantizing(HopperPlan measured, int m, int n, int k, int multiprocessors) =>
        measured.Kind == HopperKernelKind.Decode || measured.TileN % Block == 0
            ? measured
            : FastestPrefill(m, n, k, multiprocessors, quantizes: true);

    private static HopperPlan FastestPrefill(int m, int n, int k, int multiprocessors, bool quantizes)
    {
        int best = Block;
        double bestCost = double.PositiveInfinity;
        foreach (int width in Widths)
        {
            if (quantizes && width % Block != 0)
            {
                continue;
            }

            double cost = Cost(m, n, k, width, multiprocessors, quantizes);
            if (cost < bestCost)
            {
                (best, bestCost) = (width, cost);
            }
        }

        return Prefill(best);
    }

    private static HopperPlan Prefill(int width) => new(HopperKernelKind.Prefill, Block, width, 1, 16);

    // What a wave of tiles of each width costs was fitted to measurements on one H200.
    private static double Cost(int m, int n, int k, int width, int multiprocessors, bool quantizes)
    {
        long tiles = Tiles(m, Block) * Tiles(n, width), waves = (tiles + multiprocessors - 1) / multiprocessors;
        double blockCycles = width switch { 256 => 1250, 192 => 950, _ => 680 };
        return waves * (Tiles(k, Block) * blockCycles + (quantizes ? 28.0 : 16.0) * width) / ClockMegahertz;
    }

    private static long Tiles(long extent, long tile) => (extent + tile - 1) / tile;
}
