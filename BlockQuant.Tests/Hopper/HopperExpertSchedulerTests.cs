using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hopper;

public sealed class HopperExpertSchedulerTests
{
    private const int H200 = 132;

    private static readonly DeviceTraits Hopper = new()
    {
        Kind = DeviceKind.Cuda,
        Name = "a Hopper GPU",
        Multiprocessors = H200,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = 90,
    };

    [TestCase(1, 32, 16)]
    [TestCase(8 * 32, 32, 16)]
    [TestCase(8 * 32 + 1, 32, 32)]
    [TestCase(16 * 32, 32, 32)]
    [TestCase(16 * 32 + 1, 32, 64)]
    [TestCase(32 * 32, 32, 64)]
    public void Few_rows_an_expert_swap_the_operands(int rows, int experts, int tile)
    {
        var expected = new HopperPlan(HopperKernelKind.GroupedDecode, tile, 128, 1, 16);
        HopperExpertScheduler.Grouped(rows, experts, 4096, 7168, H200).Should().Be(expected);
        HopperExpertScheduler.Batched(rows, experts, 4096).Should().Be(rows > 32 ? expected : new HopperPlan(HopperKernelKind.BatchedDecode, 8, 128, 1, 1));
    }

    [TestCase(1, 256)]
    [TestCase(32, 1)]
    public void Rows_that_a_warp_holds_are_sorted_on_the_way(int rows, int experts)
    {
        HopperExpertScheduler.Batched(rows, experts, 7168).Should().Be(new HopperPlan(HopperKernelKind.BatchedDecode, BatchedRows.TileM, 128, 1, 1));
        HopperExpertScheduler.Batched(BatchedRows.MaxRows + 1, experts, 7168).Kind.Should().Be(HopperKernelKind.GroupedDecode);
    }

    [TestCase(4096, 32, 7168, 2048)]
    [TestCase(32768, 32, 4096, 7168)]
    [TestCase(32768, 32, 7168, 2048)]
    [TestCase(8192, 1, 768, 512)]
    public void Many_rows_an_expert_take_wide_tiles(int rows, int experts, int n, int k)
    {
        HopperExpertScheduler.Grouped(rows, experts, n, k, H200).Should().Be(new HopperPlan(HopperKernelKind.GroupedPrefill, 128, 256, 1, 16));
    }

    [TestCase(32 * 32 + 1, 32, 4096, 7168, 256)]
    [TestCase(4096, 32, 4096, 7168, 256)]
    [TestCase(32768, 256, 4096, 7168, 256)]
    [TestCase(512, 2, 1024, 2048, 64)]
    [TestCase(8192, 1, 384, 2048, 128)]
    public void Deep_products_of_few_hundred_rows_and_small_ones_take_tall_tiles(int rows, int experts, int n, int k, int height)
    {
        HopperExpertScheduler.Grouped(rows, experts, n, k, H200).Should().Be(new HopperPlan(HopperKernelKind.GroupedPrefill, height, 128, 1, 8));
    }

    [Test]
    public void Rows_in_any_order_always_swap_the_operands()
    {
        HopperExpertScheduler.Batched(1 << 20, 4, 4096).Should().Be(new HopperPlan(HopperKernelKind.GroupedDecode, 64, 128, 1, 16));
    }

    [TestCase(0, 1, 1)]
    [TestCase(1, 0, 1)]
    [TestCase(1, 1, 0)]
    public void Counts_must_be_positive(int rows, int experts, int n)
    {
        FluentActions.Invoking(() => HopperExpertScheduler.Grouped(rows, experts, n, 1, H200)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => HopperExpertScheduler.Batched(rows, experts, n)).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Test]
    public void Tensor_cores_are_used_where_the_device_the_operands_and_the_caller_allow()
    {
        var portable = new TilePlanOverrides { Kernel = KernelFamily.Portable };
        var forced = new TilePlanOverrides { Kernel = KernelFamily.Hopper };
        TileScheduler.PlanGrouped(4096, 32, 4096, 7168, Hopper, null, fitsTensorCores: true).Hopper.Should().NotBeNull();
        TileScheduler.PlanGrouped(4096, 32, 4096, 7168, Hopper, forced, fitsTensorCores: true).Hopper.Should().NotBeNull();
        TileScheduler.PlanGrouped(4096, 32, 4096, 7168, Hopper, portable, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.PlanGrouped(4096, 32, 4096, 7168, Hopper, new TilePlanOverrides { TileM = 16 }, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.PlanGrouped(4096, 32, 4096, 7168, Hopper).Hopper.Should().BeNull();
        TileScheduler.PlanGrouped(0, 32, 4096, 7168, Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.PlanBatched(64, 32, 4096, 7168, Hopper, null, fitsTensorCores: true).Should().NotBeNull();
        TileScheduler.PlanBatched(64, 32, 4096, 7168, Hopper, portable, fitsTensorCores: true).Should().BeNull();
        TileScheduler.PlanBatched(64, 32, 4096, 7168, Hopper with { ComputeCapability = 89 }, null, fitsTensorCores: true).Should().BeNull();
        FluentActions.Invoking(() => TileScheduler.PlanBatched(64, 32, 4096, 7168, Hopper, forced))
            .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
    }

    [Test]
    public void The_portable_plan_follows_the_rows_of_an_average_expert()
    {
        TileScheduler.PlanGrouped(4096, 256, 4096, 7168, Hopper).Should().Be(TileScheduler.Plan(16, 4096, 7168, Hopper));
        TileScheduler.PlanGrouped(4096, 4, 4096, 7168, Hopper).Should().Be(TileScheduler.Plan(1024, 4096, 7168, Hopper));
    }
}
