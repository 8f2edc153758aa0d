namespace BlockQuant.Scheduling;

/// <summary>
/// Chooses how a block-scaled FP8 matmul runs on a Hopper GPU: the plan that a cost model expects to be fastest. The model's
/// constants were fitted to measurements on one H200; it ranks plans, it does not predict times to better than some 15 %.
/// </summary>
internal static class HopperScheduler
{
    /// <summary>The most rows of a product: Prefill keeps the place of a row tile in 16 bits.</summary>
    public const long MaxRows = 65535 * 128;

    /// <summary>The most columns: it keeps that of a column tile, of 32 columns or more, in 15.</summary>
    public const long MaxColumns = 32767 * 32;

    /// <summary>The most that a dimension may have which is only rounded up to whole tiles.</summary>
    public const long MaxExtent = int.MaxValue - 256;

    private const double ClockMegahertz = 1500, ShortClockMegahertz = 1750;
    private const double BytesPerMicrosecond = 4.2e6;
    private const int MaxSplitK = 8, MaxNarrowSplitK = 4;

    // The tiles whose weights two blocks share.
    internal const int PairedWidth = 256;

    // Weight rows of Decode's tiles.
    private const int WideTile = 128, NarrowTile = 64;

    // Parts up to which quantizing inside pays: measured with 128 and with 384.
    private const int MostQuantizingGroups = 256;

    // Bands are counted in 32 bits.
    private const int MaxGroupM = 1024;

    // As many as six widths and, for each of five counts of tokens, four ways to split K, three of them for half as many weight rows, make.
    private const int MaxCandidates = 6 + 5 * (4 + 3);

    private static readonly string TooLarge = $"it has more than {MaxRows} rows, {MaxColumns} columns or a depth of {MaxExtent}";

    /// <summary>Weight rows of the tiles that there are Prefill kernels of.</summary>
    internal static readonly int[] PrefillWidths = [256, 192, 144, 128, 64, 32];

    /// <summary>Tokens of the tiles that there are Decode kernels of.</summary>
    internal static readonly int[] DecodeTokens = [8, 16, 32, 64, 128];

    /// <summary>Those of them that there are also kernels of with half as many weight rows.</summary>
    internal static readonly int[] NarrowTokens = [8, 16, 32, 64];

    /// <summary>Those of them that there are kernels of which quantize their activations.</summary>
    internal static readonly int[] QuantizingTokens = [8, 16];

    // A model has a handful of weight shapes, and runs each with some hundreds of token counts at most.
    private static readonly FunctionCache<HopperProblem, HopperPlan> Known = new(1024, Cheapest);

    /// <summary>The plan expected to be fastest for [M, K] · [N, K]ᵀ.</summary>
    /// <param name="m">Tokens, at least 1.</param>
    /// <param name="n">Weight rows, at least 1.</param>
    /// <param name="k">Columns of both operands, at least 1.</param>
    /// <param name="multiprocessors">Multiprocessors of the GPU.</param>
    /// <param name="narrow">Whether there are kernels of Decode's tiles of 64 weight rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">A count is not positive.</exception>
    public static HopperPlan Plan(int m, int n, int k, int multiprocessors, bool narrow = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(m);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(multiprocessors);
        return Known.Result(new HopperProblem(m, n, k, multiprocessors, narrow));
    }

    /// <summary>What about the size of [M, K] · [N, K]ᵀ keeps it from the kernels, or null.</summary>
    public static string? Obstacle(long m, long n, long k)
        => m < 1 || n < 1 || k < 1 ? "a dimension is empty"
            : m > MaxRows || n > MaxColumns || k > MaxExtent ? TooLarge
            : null;

    /// <summary>Whether a plan, perhaps of another product, has no more blocks for one that meets no <see cref="Obstacle"/> than are launched.</summary>
    internal static bool Takes(HopperPlan plan, long m, long n) => Groups(plan, (int)m, (int)n) <= int.MaxValue;

    /// <summary>The plans that may be fastest for a shape: what the model chooses among, and what tuning measures.</summary>
    internal static HopperPlan[] Candidates(int m, int n, int k, int multiprocessors, bool narrow = true)
    {
        Span<HopperPlan> candidates = stackalloc HopperPlan[MaxCandidates];
        return candidates[..Fill(candidates, m, n, k, multiprocessors, narrow)].ToArray();
    }

    /// <summary>Whether a plan can compute [M, K] · [N, K]ᵀ.</summary>
    internal static bool CanRun(HopperPlan plan, long m, long k) =>
        HasKernel(plan) && plan.SplitK <= (k + 127) / 128 && (!plan.Pairs || (m + plan.TileM - 1) / plan.TileM % 2 == 0);

    /// <summary>Whether there is a kernel of the plan's tile.</summary>
    internal static bool HasKernel(HopperPlan plan) => plan.Kind switch
    {
        HopperKernelKind.Prefill => plan.TileM == 128 && PrefillWidths.Contains(plan.TileN) && plan is { SplitK: 1, GroupM: > 0 and <= MaxGroupM }
            && (!plan.Pairs || plan.TileN == PairedWidth && plan.GroupM % 2 == 0),
        HopperKernelKind.Decode => plan is { OverlapStores: false, Pairs: false } && (plan.TileN == WideTile
            ? DecodeTokens.Contains(plan.TileM) && plan.SplitK is 1 or 2 or 4 or 8
            : IsNarrow(plan) && NarrowTokens.Contains(plan.TileM) && plan.SplitK is 1 or 2 or 4),
        _ => false,
    };

    /// <summary>Whether there is a kernel of the plan's tile that quantizes its activations.</summary>
    internal static bool CanQuantize(HopperPlan plan) => plan.Kind == HopperKernelKind.Decode && QuantizingTokens.Contains(plan.TileM);

    /// <summary>Whether a plan has Decode's tiles of 64 weight rows.</summary>
    internal static bool IsNarrow(HopperPlan plan) => plan is { Kind: HopperKernelKind.Decode, TileN: NarrowTile };

    /// <summary>
    /// Whether that kernel takes less time than a quantizer and the kernel of its codes, which begins beside the quantizer. Measured: the
    /// quantizer costs 1 to 2 us, as do 64 blocks of K of eight tokens and 16 of sixteen, so that up to 40 and 12 inside pays surely; where parts
    /// are so many that those which quantize would take a second turn, it takes longer.
    /// </summary>
    internal static bool QuantizesInside(HopperPlan plan, int n, int k) =>
        CanQuantize(plan) && Tiles(Tiles(k, 128), plan.SplitK) <= (plan.TileM == 8 ? 40 : 12)
        && (long)Tiles(n, plan.TileN) * plan.SplitK <= MostQuantizingGroups;

    /// <summary>
    /// How many blocks of a Decode plan share a multiprocessor's memory. One takes it for itself where every block finds a multiprocessor and its
    /// part of K is long: the next launch cannot begin there then, and less in flight brings the first operands earlier. From how many blocks of K
    /// on it pays is measured, of each width. Three share it where two on each would leave some to a second turn, and registers permit.
    /// </summary>
    internal static int Residents(HopperPlan plan, int m, int n, int k, int multiprocessors)
    {
        long groups = Groups(plan, m, n), places = Places(plan.SplitK, multiprocessors);
        int depth = Tiles(Tiles(k, 128), plan.SplitK), deep = plan.TileM switch { > 32 => 14, _ when IsNarrow(plan) => 32, 32 => 16, _ => 24 };
        return plan.TileM > 64 || groups <= places && depth >= deep ? 1
            : groups > 2 * places ? MostResidents(plan)
            : 2;
    }

    /// <summary>
    /// Whether the copy engine is to bring the activations' scales of a Prefill plan, where they lie so that it can. Where no block of the
    /// launch has a second tile all begin with the same scales, and while these are rows of less than a line of the L2 cache that takes longer
    /// than copies by lanes. Measured: 0.8 to 1.3 of 12 us at 16 blocks of K, 0.1 of 14 at 24; with more, or several tiles, up to 17 % gained.
    /// </summary>
    internal static bool BringsScales(HopperPlan plan, int m, int n, int k, int multiprocessors) =>
        plan.Kind == HopperKernelKind.Prefill
        && (Tiles(k, 128) >= 32 || (long)Tiles(m, plan.TileM) * Tiles(n, plan.TileN) > multiprocessors);

    /// <summary>Microseconds that the model expects of a plan.</summary>
    internal static double Cost(HopperPlan plan, int m, int n, int k, int multiprocessors)
    {
        long tiles = (long)Tiles(m, plan.TileM) * Tiles(n, plan.TileN);
        int blocks = Tiles(k, 128);
        if (plan.Kind == HopperKernelKind.Prefill)
        {
            // Cycles of a block of K, and what each tile costs beside them.
            double blockCycles = plan.TileN switch { 256 => 1190, 192 => 900, 144 => 700, 128 => 625, 64 => 394, _ => 320 };
            double tileCycles = blocks * blockCycles + 16.0 * plan.TileN;
            // A single wave ends before the power limit lowers the clock.
            long waves = Waves(tiles, multiprocessors);
            double clock = waves == 1 ? ShortClockMegahertz : ClockMegahertz;
            return (waves == 1 ? 2.5 : 3) + Overlapped(waves * tileCycles / clock, Traffic(m, n, k));
        }
        // Blocks that share a multiprocessor share its memory pipeline.
        long groups = tiles * plan.SplitK, places = Places(plan.SplitK, multiprocessors);
        long residents = Math.Min(MostResidents(plan), Waves(groups, places));
        long turns = Waves(groups, places * residents);
        double blockTime = plan.TileM switch { <= 16 => 0.19, 32 => 0.20, 64 => 0.35, _ => 0.55 };
        double busy = turns * Tiles(blocks, plan.SplitK) * blockTime * residents, traffic = Traffic(m, n, k);
        // Of half as many weight rows the warpgroups multiply two blocks at once, and tokens are read twice as often.
        double again = m > plan.TileM ? 1.2 : 0;
        if (IsNarrow(plan))
            return 1.6 + again + 0.2 * plan.SplitK + (turns - 1) + Overlapped(busy / 2, 1.04 * traffic);
        return (plan.TileM <= 64 ? 1.7 : 3.2) + again + 0.5 * plan.SplitK + 3 * (turns - 1) + Overlapped(busy, traffic);
    }

    // As many blocks as registers permit, and as shared memory has rings for.
    private static int MostResidents(HopperPlan plan) => plan.TileM > 64 ? 1 : IsNarrow(plan) && plan.TileM <= 16 ? 3 : 2;

    private static HopperPlan Cheapest(HopperProblem problem)
    {
        var (m, n, k, multiprocessors, narrow) = problem;
        HopperPlan best = default;
        double bestCost = double.PositiveInfinity;
        // A call of an operator may plan, so planning allocates nothing.
        Span<HopperPlan> candidates = stackalloc HopperPlan[MaxCandidates];
        foreach (HopperPlan plan in candidates[..Fill(candidates, m, n, k, multiprocessors, narrow)])
        {
            double cost = Cost(plan, m, n, k, multiprocessors);
            if (cost < bestCost)
                (best, bestCost) = (plan, cost);
        }
        return best;
    }

    private static int Fill(Span<HopperPlan> candidates, int m, int n, int k, int multiprocessors, bool narrow)
    {
        int count = 0;
        foreach (int width in PrefillWidths)
        {
            // Measured to win 4 to 7 % where tiles are shallow and many, to lose 1 % where either is not.
            bool many = (long)Tiles(m, 128) * Tiles(n, width) > 3L * multiprocessors;
            bool overlapsStores = k <= 4096 && many;
            // Measured to win up to 3 % of a sustained load where tiles are many, to lose 2 % of a single wave's time.
            bool pairs = width == PairedWidth && many && Tiles(m, 128) % 2 == 0;
            candidates[count++] = new HopperPlan(HopperKernelKind.Prefill, 128, width, 1, 16, overlapsStores, pairs);
        }
        foreach (int tokens in DecodeTokens)
        {
            // Weights are read once where a tile holds all tokens; above 64 tokens two tiles may still be faster than one.
            if (tokens < m && tokens < 64 || tokens >= 2 * m && tokens > 8)
                continue;
            for (int split = 1; split <= Math.Min(MaxSplitK, Tiles(k, 128)); split *= 2)
            {
                var plan = new HopperPlan(HopperKernelKind.Decode, tokens, WideTile, split, 1);
                if (Takes(plan, m, n))
                    candidates[count++] = plan;
                var half = plan with { TileN = NarrowTile };
                if (narrow && m <= 2 * tokens && split <= MaxNarrowSplitK && NarrowTokens.Contains(tokens) && Takes(half, m, n))
                    candidates[count++] = half;
            }
        }
        return count;
    }

    // Blocks that have a part of a tile each.
    private static long Groups(HopperPlan plan, int m, int n) => (long)Tiles(m, plan.TileM) * Tiles(n, plan.TileN) * plan.SplitK;

    // Multiprocessors that clusters can use: one lies in one processing cluster of the GPU (16 or 18 multiprocessors), which larger
    // ones do not fill.
    private static long Places(int splitK, int multiprocessors) =>
        Math.Max(1, (long)(multiprocessors * (splitK switch { <= 2 => 1, 4 => 10.0 / 11, _ => 0.85 })));

    // Two things done at once take hardly longer than the longer one, unless they take about the same.
    private static double Overlapped(double first, double second)
    {
        double firstSquare = first * first, secondSquare = second * second;
        return Math.Sqrt(Math.Sqrt(firstSquare * firstSquare + secondSquare * secondSquare));
    }

    private static double Traffic(long m, long n, long k) => (n * k + m * k + 2 * m * n) / BytesPerMicrosecond;

    private static long Waves(long tiles, long places) => (tiles + places - 1) / places;

    private static int Tiles(int extent, int tile) => (extent + tile - 1) / tile;
}
