using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>The largest products that the kernels for Hopper are given; the next larger ones are the portable kernel's.</summary>
internal sealed class HopperLimitsTests
{
    private const long MaxRows = 8_388_480, MaxColumns = 1_048_544, MaxDepth = int.MaxValue - 256;

    private static readonly TilePlanOverrides Forced = new() { Kernel = KernelFamily.Hopper };

    [TestCase(MaxRows, 4096, 7168)]
    [TestCase(16, MaxColumns, 7168)]
    [TestCase(MaxRows, MaxColumns, 7168)]
    [TestCase(MaxRows, 128, MaxDepth)]
    public void Products_up_to_the_limits_have_tiles_that_the_kernels_count(long m, long n, long k)
    {
        foreach (HopperPlan plan in (HopperPlan[])
            [
                TileScheduler.Plan(m, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper!.Value,
                Int8Scheduler.Plan(m, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper!.Value,
                Int8Scheduler.PlanQuantized(m, n, k, 128, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper!.Value,
                .. HopperScheduler.Candidates((int)m, (int)n, (int)k, 132),
            ])
        {
            if (plan.Kind == HopperKernelKind.Prefill)
            {
                Tiles(m, plan.TileM).Should().BeLessThanOrEqualTo(65536);
                Tiles(n, plan.TileN).Should().BeLessThanOrEqualTo(32768);
            }

            FluentActions.Invoking(() => MatmulArguments.Blocks(Call(plan, m, n, k), 132)).Should().NotThrow().Which.Should().BePositive();
        }
    }

    [TestCase(MaxRows + 1, 4096, 7168)]
    [TestCase(16, MaxColumns + 1, 7168)]
    [TestCase(16, 4096, MaxDepth + 1)]
    public void Products_beyond_the_limits_are_the_portable_kernel_s(long m, long n, long k)
    {
        TileScheduler.Plan(m, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.Plan(m, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.PlanQuantized(m, n, k, 128, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        Refuses(() => TileScheduler.Plan(m, n, k, GpuTraits.Hopper, Forced, fitsTensorCores: true), "because it has more than 8388480 rows, 1048544 columns");
        Refuses(() => Int8Scheduler.Plan(m, n, k, GpuTraits.Hopper, Forced, fitsTensorCores: true), "because it has more than 8388480 rows, 1048544 columns");
    }

    [TestCase(100_000_000, 32, 7168, 2048)]
    [TestCase(1, 1024, 128, MaxDepth)]
    [TestCase(32, 2, MaxDepth / 2, 128)]
    public void Expert_products_up_to_the_limits_have_tiles_that_the_kernels_count(long rows, int experts, long n, long k)
    {
        HopperPlan[] plans =
        [
            TileScheduler.PlanGrouped(rows, experts, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper!.Value,
            TileScheduler.PlanBatched(rows, experts, n, k, GpuTraits.Hopper, null, fitsTensorCores: true)!.Value,
        ];
        foreach (HopperPlan plan in plans)
        {
            (ExpertTileMap.RowTiles(rows, experts, plan.TileM) * Tiles(n, plan.TileN)).Should().BeLessThan(int.MaxValue);
        }
    }

    [TestCase(int.MaxValue, 32, 7168, 2048, "passes 2^31 - 257")]
    [TestCase(1, 1, 128, MaxDepth + 1, "passes 2^31 - 257")]
    [TestCase(1, 1024, MaxDepth / 1024 + 1, 128, "passes 2^31 - 257")]
    [TestCase(1, int.MaxValue, long.MaxValue, 128, "passes 2^31 - 257")]
    [TestCase(1_000_000_000, 32, 7168, 2048, "more than 2^30 tiles")]
    public void Expert_products_beyond_the_limits_are_the_portable_kernel_s(long rows, int experts, long n, long k, string reason)
    {
        TileScheduler.PlanGrouped(rows, experts, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.PlanBatched(rows, experts, n, k, GpuTraits.Hopper, null, fitsTensorCores: true).Should().BeNull();
        Refuses(() => TileScheduler.PlanGrouped(rows, experts, n, k, GpuTraits.Hopper, Forced, fitsTensorCores: true), reason);
        Refuses(() => TileScheduler.PlanBatched(rows, experts, n, k, GpuTraits.Hopper, Forced, fitsTensorCores: true), reason);
    }

    [Test]
    public void Lora_weights_beyond_the_rows_of_a_grid_are_the_portable_kernel_s()
    {
        using ComputeDevice memory = ComputeDevice.Create(DeviceKind.Cpu);
        using var device = new CountingDevice(memory, GpuTraits.Hopper);
        using var y = new DeviceMatrix<Half>(device, 1, 4);
        using DeviceBuffer<Half> weights = device.Allocate<Half>((65535 * 16 + 1) * 4);

        Obstacle(65535 * 16).Should().BeNull();
        Obstacle(65535 * 16 + 1).Should().StartWith("the weights have more rows than a grid has blocks for");

        string? Obstacle(long rows) => LoraTensorCores.Obstacle(
            device, new LoraInput<Half>(y.View), [new LoraSlice<Half>(weights.View, 1, rows, 4)], 4, cast: false);
    }

    [Test]
    public void A_tuned_plan_that_cannot_run_the_product_is_passed_over()
    {
        TilePlan plan = TileScheduler.Plan(256, 4096, 7168, GpuTraits.Hopper, null, fitsTensorCores: true);
        var small = new HopperPlan(HopperKernelKind.Decode, 8, 128, 8, 1);
        var tuned = new TunedPlans(GpuTraits.Hopper.Name);
        tuned.Set(MaxRows, MaxColumns, 7168, plan with { Hopper = small });
        tuned.Set(256, MaxColumns, 7168, plan with { Hopper = small });

        Plan(MaxRows, MaxColumns).Should().NotBe(small);
        Plan(256, MaxColumns).Should().Be(small);

        HopperPlan? Plan(long m, long n) => TileScheduler.Plan(m, n, 7168, GpuTraits.Hopper, null, fitsTensorCores: true, tuned).Hopper;
    }

    private static MatmulCall Call(HopperPlan plan, long m, long n, long k) => new()
    {
        Plan = plan,
        M = (int)m,
        N = (int)n,
        K = (int)k,
        Activations = 0,
        ActivationPitch = k,
        ActivationScales = 0,
        ScaleRowStride = 1,
        ScaleBlockStride = 1,
        Weights = 0,
        WeightPitch = k,
        WeightScales = 0,
        Output = 0,
        OutputPitch = n,
        OutputType = OutputType.BFloat16,
    };

    private static long Tiles(long extent, long tile) => (extent + tile - 1) / tile;

    private static void Refuses<T>(Func<T> plan, string reason) => plan.Should().Throw<ArgumentException>().WithMessage($"*{reason}*");
}
