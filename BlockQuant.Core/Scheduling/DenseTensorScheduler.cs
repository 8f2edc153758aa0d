namespace BlockQuant.Scheduling;

/// <summary>How a dense product runs on warp-level tensor cores, in tiles of 128 weight rows and stages of 128 columns.</summary>
/// <param name="Family"><see cref="KernelFamily.TensorFloat8"/> or <see cref="KernelFamily.TensorFloat16"/>.</param>
/// <param name="TileM">Rows of the output (tokens) in one tile: 16 or 64.</param>
internal readonly record struct DenseTensorPlan(KernelFamily Family, int TileM);

/// <summary>
/// Decides by compute capability which warp-level tensor cores compute a block-scaled FP8 product, on GPUs without the kernels for Hopper.
/// Pure functions: the same question gets the same answer.
/// </summary>
internal static class DenseTensorScheduler
{
    /// <summary>The most rows that tiles of 16 are for: beyond it they read the weights more often than tiles of 64.</summary>
    public const int MaxSmallTileRows = 32;

    private static readonly int[] TileRows = [16, 64];

    /// <summary>The plan, or null where the portable kernel or the kernels for Hopper compute the product.</summary>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="traits">The device.</param>
    /// <param name="overrides">What the caller fixes, or null.</param>
    /// <param name="fits">As in <see cref="TileScheduler.Plan"/>.</param>
    /// <exception cref="ArgumentException">The caller demands tensor cores and they cannot compute it; the message says why.</exception>
    public static DenseTensorPlan? Plan(long m, long n, long k, DeviceTraits traits, TilePlanOverrides? overrides, bool fits)
    {
        ArgumentNullException.ThrowIfNull(traits);
        bool fixes = overrides is { TileM: not null } or { TileN: not null } or { TileK: not null } or { GroupM: not null } or { Stages: not null };
        KernelFamily? family = overrides?.Kernel ?? (fixes ? null : Fastest(traits));
        if (family is not (KernelFamily.TensorFloat8 or KernelFamily.TensorFloat16))
        {
            return null;
        }

        string? reason = WhyNot(family.Value, m, n, k, traits, fits);
        return reason is null ? new DenseTensorPlan(family.Value, m <= MaxSmallTileRows ? 16 : 64)
            : overrides?.Kernel is null ? null
            : throw new ArgumentException($"tile plan: kernel family {family} cannot run, because {reason}.");
    }

    /// <summary>Why a family cannot compute a product; null where it can.</summary>
    internal static string? WhyNot(KernelFamily family, long m, long n, long k, DeviceTraits traits, bool fits)
    {
        int needed = family == KernelFamily.TensorFloat8 ? 89 : 80;
        return traits.Kind != DeviceKind.Cuda || traits.ComputeCapability < needed ? "the device's compute capability is too low"
            : !fits ? "the operands have not 1x128 and 128x128 FP8 scale blocks and rows in multiples of 16 bytes"
            : m < 1 || n < 1 || k < 1 || Math.Max(m, k) > int.MaxValue - 128 || n > 65535 * 128 ? "a dimension is empty or too large"
            : null;
    }

    /// <summary>The plans worth measuring beside a chosen one.</summary>
    internal static IEnumerable<DenseTensorPlan> Candidates(DenseTensorPlan chosen) => TileRows.Select(rows => chosen with { TileM = rows });

    /// <summary>Whether there is a kernel of the plan's tile.</summary>
    internal static bool HasKernel(DenseTensorPlan plan)
        => plan.Family is KernelFamily.TensorFloat8 or KernelFamily.TensorFloat16 && TileRows.Contains(plan.TileM);

    private static KernelFamily? Fastest(DeviceTraits traits) => (traits.Kind, traits.ComputeCapability) switch
    {
        (DeviceKind.Cuda, >= 89) => KernelFamily.TensorFloat8,
        (DeviceKind.Cuda, >= 80) => KernelFamily.TensorFloat16,
        _ => null,
    };
}
