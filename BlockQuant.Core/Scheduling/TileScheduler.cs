namespace BlockQuant.Scheduling;

/// <summary>
/// Turns a matrix product and a device into a <see cref="TilePlan"/>. Pure functions: the same question gets the same answer.
/// </summary>
internal static class TileScheduler
{
    /// <summary>Rows of the output that one lane of the portable kernel accumulates.</summary>
    public const int LaneRows = 8;

    /// <summary>Columns of the output that one lane of the portable kernel accumulates.</summary>
    public const int LaneColumns = 4;

    /// <summary>Bytes of shared memory that the portable kernel reserves for its stages.</summary>
    public const int PortableSharedBytes = 32 * 1024;

    /// <summary>The most lanes in a group of the portable kernel: no device has more.</summary>
    public const int MaxLanes = 1024;

    /// <summary>The most rows of a tile: a kernel that quantizes its activations keeps one scale each in shared memory.</summary>
    public const int MaxTileM = 512;

    /// <summary>The row tile for few tokens.</summary>
    public const int DecodeTileM = 16;

    /// <summary>The row tile for many tokens.</summary>
    public const int PrefillTileM = 128;

    /// <summary>The most rows that still count as decode: beyond it the larger tile wastes less than half of its rows.</summary>
    public const int DecodeMaxRows = 64;

    /// <summary>Plans the product of activations [<paramref name="m"/>, <paramref name="k"/>] and weights [<paramref name="n"/>, <paramref name="k"/>].</summary>
    /// <param name="m">Rows of the output; for experts, the rows one expert gets on average.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">True where the operands have the layout that the tensor-core kernels read: FP8, 1×128 and 128×128 scale blocks, rows in multiples of 16 bytes.</param>
    /// <param name="tuned">Plans measured on the device, which go before the model's where nothing is fixed; or null.</param>
    /// <exception cref="ArgumentException">The overrides make a plan that no kernel can run; the message says why.</exception>
    /// <remarks>A measured plan that the device cannot run is passed over.</remarks>
    public static TilePlan Plan(
        long m, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides = null, bool fitsTensorCores = false, TunedPlans? tuned = null)
    {
        ArgumentNullException.ThrowIfNull(traits);
        if (overrides is null && tuned?.Find(m, n, k) is { } measured
            && measured.Hopper is null != RunsOnHopper(traits, null, fitsTensorCores, HopperScheduler.Obstacle(m, n, k))
            && (measured.Hopper is not { } hopper || HopperScheduler.Takes(hopper, m, n))
            && IsPossible(measured, traits.MaxGroupSize, SharedLimit(traits))
            && (measured.TensorCores is not { } tensor || DenseTensorScheduler.WhyNot(tensor.Family, m, n, k, traits, fitsTensorCores) is null))
        {
            return measured;
        }

        TilePlan plan = PlanPortable(m, traits, overrides);
        return RunsOnHopper(traits, overrides, fitsTensorCores, HopperScheduler.Obstacle(m, n, k))
            ? plan with { Hopper = HopperScheduler.Plan((int)m, (int)n, (int)k, traits.Multiprocessors) }
            : plan with { TensorCores = DenseTensorScheduler.Plan(m, n, k, traits, overrides, fitsTensorCores) };
    }

    /// <summary>Plans the product of full-precision activations: as <see cref="Plan"/>, and whether its kernel quantizes them.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">As in <see cref="Plan"/>, of the activations once they are quantized.</param>
    /// <param name="fitsFused">True where a kernel that quantizes can read the activations: bfloat16 from a multiple of 16 bytes on.</param>
    /// <param name="tuned">As in <see cref="Plan"/>.</param>
    /// <exception cref="ArgumentException">The overrides make a plan that no kernel can run; the message says why.</exception>
    public static TilePlan PlanQuantizing(
        long m, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides, bool fitsTensorCores, bool fitsFused, TunedPlans? tuned)
    {
        TilePlan plan = Plan(m, n, k, traits, overrides, fitsTensorCores, tuned);
        bool canFuse = fitsFused && plan.Hopper is { } hopper && HopperScheduler.CanQuantize(hopper);
        if (overrides?.FuseQuantization == true && !canFuse)
        {
            string reason = fitsFused ? $"no kernel of the plan {plan} does" : "they are not bfloat16 from a multiple of 16 bytes on";
            throw new ArgumentException($"tile plan: activations cannot be quantized in the product's kernel, because {reason}.");
        }

        bool fuses = canFuse && (overrides?.FuseQuantization ?? HopperScheduler.QuantizesInside(plan.Hopper!.Value, (int)n, (int)k));
        return plan with { QuantizesActivations = fuses };
    }

    /// <summary>The plan of the portable kernel.</summary>
    internal static TilePlan PlanPortable(long m, DeviceTraits traits, TilePlanOverrides? overrides)
    {
        ArgumentNullException.ThrowIfNull(traits);
        // A processor pays for every lane and every barrier, so it gets the fewest lanes whatever the batch.
        bool processor = traits.Kind == DeviceKind.Cpu;
        bool decode = m <= DecodeMaxRows;
        int tileM = processor || decode ? DecodeTileM : PrefillTileM;
        int tileN = processor ? 16 : 64;
        int tileK = processor ? 128 : decode ? 64 : 32;
        int stages = 1;
        while (!Fits(tileM, tileN, tileK, stages, traits) && tileK > 1)
        {
            if (tileM > DecodeTileM)
            {
                tileM /= 2;
            }
            else if (tileN > LaneColumns && tileM / LaneRows * (tileN / LaneColumns) > traits.MaxGroupSize)
            {
                tileN /= 2;
            }
            else
            {
                tileK /= 2;
            }
        }

        var plan = new TilePlan
        {
            TileM = overrides?.TileM ?? tileM,
            TileN = overrides?.TileN ?? tileN,
            TileK = overrides?.TileK ?? tileK,
            GroupM = overrides?.GroupM ?? 8,
            Stages = overrides?.Stages ?? stages,
        };
        if (overrides is not null)
        {
            Require(plan, traits);
        }

        return plan;
    }

    /// <summary>The portable plans worth measuring beside a chosen one, which comes first.</summary>
    internal static IEnumerable<TilePlan> Candidates(TilePlan chosen, DeviceTraits traits)
    {
        yield return chosen;
        if (traits.Kind == DeviceKind.Cpu)
        {
            yield break;
        }

        foreach (int tileM in (int[])[16, 32, 64, 128])
        {
            foreach (int tileN in (int[])[32, 64, 128])
            {
                foreach (int tileK in (int[])[32, 64, 128])
                {
                    TilePlan plan = chosen with { TileM = tileM, TileN = tileN, TileK = tileK };
                    if (plan != chosen && plan.Lanes >= traits.WarpSize && Fits(tileM, tileN, tileK, plan.Stages, traits))
                    {
                        yield return plan;
                    }
                }
            }
        }
    }

    /// <summary>Plans the product of rows that are sorted by expert: the row tile fits the rows that one expert gets on average.</summary>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">As in <see cref="Plan"/>.</param>
    /// <exception cref="ArgumentException">The overrides make a plan that no kernel can run; the message says why.</exception>
    public static TilePlan PlanGrouped(
        long rows, int experts, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides = null, bool fitsTensorCores = false)
    {
        RequireNoDenseKernel(overrides);
        long average = (rows + Math.Max(experts, 1) - 1) / Math.Max(experts, 1);
        TilePlan plan = PlanPortable(average, traits, overrides);
        return RunsOnHopper(traits, overrides, fitsTensorCores, HopperExpertScheduler.Obstacle(rows, experts, n, k))
            ? plan with { Hopper = HopperExpertScheduler.Grouped(rows, experts, n, k, traits.Multiprocessors) }
            : plan;
    }

    /// <summary>Plans the product of rows in any order, each with the weights of its expert.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">The kernel family; other parts fix nothing here.</param>
    /// <param name="fitsTensorCores">As in <see cref="Plan"/>, with at most <see cref="HopperExpertScheduler.MaxBatchedExperts"/> experts.</param>
    /// <returns>How the tensor-core kernels run the product; null where the portable kernel does.</returns>
    /// <exception cref="ArgumentException">The kernel family cannot run; the message says why.</exception>
    public static HopperPlan? PlanBatched(
        long rows, int experts, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides = null, bool fitsTensorCores = false)
    {
        ArgumentNullException.ThrowIfNull(traits);
        RequireNoDenseKernel(overrides);
        return RunsOnHopper(traits, overrides, fitsTensorCores, HopperExpertScheduler.Obstacle(rows, experts, n, k))
            ? HopperExpertScheduler.Batched(rows, experts, n)
            : null;
    }

    /// <summary>Whether a product of eight-bit operands runs on Hopper's tensor cores.</summary>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fitsTensorCores">As in <see cref="Plan"/>, or of INT8.</param>
    /// <param name="obstacle">What about its size keeps the product from the kernels, or null.</param>
    /// <exception cref="ArgumentException">The overrides demand it and it cannot; the message says why.</exception>
    internal static bool RunsOnHopper(DeviceTraits traits, TilePlanOverrides? overrides, bool fitsTensorCores, string? obstacle)
    {
        string? reason =
            traits.Kind != DeviceKind.Cuda || traits.ComputeCapability != 90 ? "it has not compute capability 9.0"
            : !fitsTensorCores ? "the operands have not 1x128 and 128x128 scale blocks of FP8 or INT8 and rows in multiples of 16 bytes"
            : obstacle;
        return overrides?.Kernel switch
        {
            KernelFamily.Hopper when reason is not null => throw new ArgumentException($"tile plan: kernel family Hopper cannot run on {traits.Name}, because {reason}."),
            KernelFamily.Hopper => true,
            KernelFamily.Portable or KernelFamily.TensorFloat8 or KernelFamily.TensorFloat16 => false,
            _ => reason is null && (overrides is null or { TileM: null, TileN: null, TileK: null, GroupM: null, Stages: null }),
        };
    }

    /// <summary>The overrides ask for nothing that only a dense FP8 product has.</summary>
    internal static void RequireNoDenseKernel(TilePlanOverrides? overrides)
    {
        if (overrides?.Kernel is KernelFamily.TensorFloat8 or KernelFamily.TensorFloat16)
        {
            throw new ArgumentException(
                $"tile plan: no kernel of family {overrides.Kernel} computes this product; expected {KernelFamily.Portable} or {KernelFamily.Hopper}.");
        }

        RequireNoFusion(overrides);
    }

    /// <summary>The overrides do not say where activations are quantized that are codes, or whose kernels leave no choice.</summary>
    internal static void RequireNoFusion(TilePlanOverrides? overrides)
    {
        if (overrides?.FuseQuantization is { } fuse)
        {
            throw new ArgumentException(
                $"tile plan: {nameof(TilePlanOverrides.FuseQuantization)} is {fuse}; expected null, because this is no dense product of full-precision activations.");
        }
    }

    private static bool Fits(int tileM, int tileN, int tileK, int stages, DeviceTraits traits)
    {
        var plan = new TilePlan { TileM = tileM, TileN = tileN, TileK = tileK, GroupM = 1, Stages = stages };
        return IsPossible(plan, traits.MaxGroupSize, SharedLimit(traits));
    }

    /// <summary>Whether the portable kernel has the plan, on a device with these limits; left out, on any.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="maxLanes">Lanes of a group at most.</param>
    /// <param name="sharedLimit">Bytes of shared memory of a group at most.</param>
    internal static bool IsPossible(in TilePlan plan, int maxLanes = MaxLanes, int sharedLimit = PortableSharedBytes)
        => plan is { TileM: > 0 and <= MaxTileM, TileN: > 0, TileK: > 0, GroupM: > 0, Stages: > 0 }
            && plan.TileM % LaneRows == 0
            && plan.TileN % LaneColumns == 0
            && Lanes(plan) <= maxLanes
            && SharedBytes(plan) <= sharedLimit;

    /// <summary>Bytes of shared memory that a group of the portable kernel may use for its stages.</summary>
    internal static int SharedLimit(DeviceTraits traits) => Math.Min(PortableSharedBytes, traits.SharedMemoryPerGroup);

    // The parts of a plan may come from a caller or a file, so that their products pass any integer's range.
    internal static long Lanes(in TilePlan plan) => (long)(plan.TileM / LaneRows) * (plan.TileN / LaneColumns);

    internal static Int128 SharedBytes(in TilePlan plan) => (Int128)plan.Stages * ((long)plan.TileM + plan.TileN + 2) * plan.TileK * sizeof(float);

    /// <summary>The plan can run on the device; otherwise says why not.</summary>
    internal static void Require(TilePlan plan, DeviceTraits traits)
    {
        Positive(plan.TileM, nameof(TilePlan.TileM), LaneRows);
        Positive(plan.TileN, nameof(TilePlan.TileN), LaneColumns);
        Positive(plan.TileK, nameof(TilePlan.TileK), 1);
        Positive(plan.GroupM, nameof(TilePlan.GroupM), 1);
        Positive(plan.Stages, nameof(TilePlan.Stages), 1);
        if (Lanes(plan) > traits.MaxGroupSize)
        {
            throw new ArgumentException($"tile plan {plan}: needs {Lanes(plan)} lanes in a group, but {traits.Name} has at most {traits.MaxGroupSize}.");
        }

        int limit = SharedLimit(traits);
        if (SharedBytes(plan) > limit)
        {
            throw new ArgumentException($"tile plan {plan}: needs {SharedBytes(plan)} bytes of shared memory, but a group has {limit} on {traits.Name}.");
        }

        if (plan.TileM > MaxTileM)
        {
            throw new ArgumentException($"tile plan {plan}: {nameof(TilePlan.TileM)} is {plan.TileM}; expected at most {MaxTileM}.");
        }
    }

    private static void Positive(int value, string name, int multiple)
    {
        if (value <= 0 || value % multiple != 0)
        {
            throw new ArgumentException($"tile plan: {name} is {value}; expected a positive multiple of {multiple}.");
        }
    }
}
