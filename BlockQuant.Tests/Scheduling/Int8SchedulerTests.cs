using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

internal sealed class Int8SchedulerTests
{
    private static readonly TilePlanOverrides Forced = new() { Kernel = KernelFamily.Hopper };

    [Test]
    public void Tensor_cores_take_what_fits_them()
    {
        Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().NotBeNull();
        Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper, null, fitsTensorCores: false).Hopper.Should().BeNull();
        Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper with { ComputeCapability = 89 }, null, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper, new TilePlanOverrides { Kernel = KernelFamily.Portable }, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper, new TilePlanOverrides { TileM = 64 }, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.Plan(0, 4096, 4096, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
        Int8Scheduler.PlanQuantized(4096, 4096, 4096, 128, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().NotBeNull();
        Int8Scheduler.PlanQuantized(4096, 4096, 4096, 64, GpuTraits.Hopper, null, fitsTensorCores: true).Hopper.Should().BeNull("a tile's groups are 128 wide");
    }

    [Test]
    public void Tensor_cores_that_cannot_take_a_product_are_refused()
    {
        FluentActions.Invoking(() => Int8Scheduler.Plan(4096, 4096, 4096, GpuTraits.Hopper, Forced, fitsTensorCores: false))
            .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
        FluentActions.Invoking(() => Int8Scheduler.PlanQuantized(4096, 4096, 4096, 64, GpuTraits.Hopper, Forced, fitsTensorCores: true))
            .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
    }

    [Test]
    public void Without_tensor_cores_the_plans_are_the_portable_ones()
    {
        Int8Scheduler.Plan(100, 4096, 4096, GpuTraits.Hopper).Should().Be(TileScheduler.Plan(100, 4096, 4096, GpuTraits.Hopper));
        Int8Scheduler.PlanQuantized(100, 4096, 4096, 96, GpuTraits.Hopper).Should().Be(QuantizedOutputScheduler.Plan(100, 96, GpuTraits.Hopper));
    }

    [Test]
    public void Tiles_of_a_quantized_output_hold_whole_groups()
    {
        for (int n = 128; n <= 16384; n += 64)
        {
            Int8Scheduler.Fastest(1000, n, 4096, 132, quantizes: true).TileN.Should().BeOneOf(128, 256);
        }
    }

    [Test]
    public void A_quantized_product_splits_k_as_the_product_does()
    {
        for (int m = 1; m <= 4096; m += 1 + m / 4)
        {
            HopperPlan plan = Int8Scheduler.Fastest(m, 4096, 4096, 132, quantizes: false);
            Int8Scheduler.Fastest(m, 4096, 4096, 132, quantizes: true).SplitK.Should().Be(plan.SplitK, "{0} tokens", m);
        }
    }

    // Measured on one H200: the fastest of every plan, launched back to back.
    [TestCase(4096, 4096, 4096, false, HopperKernelKind.Prefill, 128, 256)]
    [TestCase(4096, 12288, 4096, false, HopperKernelKind.Prefill, 128, 256)]
    [TestCase(4096, 4096, 4096, true, HopperKernelKind.Prefill, 128, 256)]
    [TestCase(4096, 12288, 4096, true, HopperKernelKind.Prefill, 128, 256)]
    public void The_plan_is_the_measured_best(int m, int n, int k, bool quantizes, HopperKernelKind kind, int tileM, int tileN)
    {
        HopperPlan plan = Int8Scheduler.Fastest(m, n, k, 132, quantizes);
        (plan.Kind, plan.TileM, plan.TileN).Should().Be((kind, tileM, tileN));
    }
}
