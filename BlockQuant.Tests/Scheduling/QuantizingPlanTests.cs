using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>Where activations are quantized in the kernel that multiplies them.</summary>
internal sealed class QuantizingPlanTests
{
    private static readonly DeviceTraits Hopper = Gpu(90);

    // Measured on one H200: the faster of the two.
    [TestCase(1, 7168, 2048, true)]
    [TestCase(8, 2112, 7168, true)]
    [TestCase(8, 4096, 7168, true)]
    [TestCase(8, 7168, 16384, false)]
    [TestCase(8, 24576, 1536, false)]
    [TestCase(16, 2112, 7168, false)]
    [TestCase(16, 7168, 2048, false)]
    [TestCase(16, 256, 256, true)]
    [TestCase(32, 7168, 2048, false)]
    [TestCase(4096, 7168, 2048, false)]
    public void Few_tokens_are_quantized_inside(int m, int n, int k, bool inside)
        => TileScheduler.PlanQuantizing(m, n, k, Hopper, null, fitsTensorCores: true, fitsFused: true, null).QuantizesActivations.Should().Be(inside);

    [Test]
    public void The_plan_is_else_that_of_quantized_activations([Values(1, 16, 30, 64, 500)] int m)
        => (Plan(m, Hopper) with { QuantizesActivations = false }).Should().Be(TileScheduler.Plan(m, 4096, 7168, Hopper, null, fitsTensorCores: true));

    [Test]
    public void Tuned_plans_go_first_and_quantize_where_their_tile_may()
    {
        var tuned = new TunedPlans("a GPU");
        TilePlan chosen = Plan(8, Hopper);
        tuned.Set(8, 4096, 7168, chosen with { Hopper = new HopperPlan(HopperKernelKind.Decode, 8, 128, 8, 1), QuantizesActivations = false });
        tuned.Set(7, 4096, 7168, chosen with { Hopper = new HopperPlan(HopperKernelKind.Decode, 64, 128, 8, 1), QuantizesActivations = false });

        Plan(8, Hopper, tuned: tuned).Should().Be(chosen with { Hopper = new HopperPlan(HopperKernelKind.Decode, 8, 128, 8, 1) });
        chosen.QuantizesActivations.Should().BeTrue();
        Plan(7, Hopper, tuned: tuned).QuantizesActivations.Should().BeFalse();
    }

    [TestCase(1, false)]
    [TestCase(16, true)]
    public void The_choice_can_be_fixed(int m, bool inside)
        => Plan(m, Hopper, new TilePlanOverrides { FuseQuantization = inside }).QuantizesActivations.Should().Be(inside);

    [Test]
    public void What_no_kernel_quantizes_is_left_to_a_quantizer_and_refused_where_it_is_demanded()
    {
        Plan(16, Gpu(89)).QuantizesActivations.Should().BeFalse();
        Plan(16, Hopper, fitsFused: false).QuantizesActivations.Should().BeFalse();
        Refuses(() => Plan(16, Gpu(89), Demanded), "no kernel of the plan TensorFloat8 16x128x128 does");
        Refuses(() => Plan(100, Hopper, Demanded), "no kernel of the plan Hopper");
        Refuses(() => Plan(16, Hopper, Demanded with { Kernel = KernelFamily.Portable }), "no kernel of the plan 16x64x64");
        Refuses(() => Plan(16, Hopper, Demanded, fitsFused: false), "they are not bfloat16 from a multiple of 16 bytes on");
    }

    [Test]
    public void A_plan_says_that_it_quantizes()
        => Plan(1, Hopper).ToString().Should().Be("Hopper Decode 8x64x128, split-k 2, group-m 1, quantizing activations");

    [Test]
    public void Planning_allocates_nothing([Values(1, 4096)] int m)
    {
        DeviceTraits traits = Hopper;
        _ = Plan(m, traits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        _ = Plan(m, traits);
        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);
    }

    private static TilePlanOverrides Demanded { get; } = new() { FuseQuantization = true };

    private static void Refuses(Action plan, string reason)
        => plan.Should().Throw<ArgumentException>().WithMessage($"tile plan: activations cannot be quantized in the product's kernel, because {reason}*");

    private static TilePlan Plan(int m, DeviceTraits traits, TilePlanOverrides? overrides = null, bool fitsFused = true, TunedPlans? tuned = null)
        => TileScheduler.PlanQuantizing(m, 4096, 7168, traits, overrides, fitsTensorCores: true, fitsFused, tuned);

    private static DeviceTraits Gpu(int computeCapability) => new()
    {
        Kind = DeviceKind.Cuda,
        Name = "a GPU",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = computeCapability,
    };
}
