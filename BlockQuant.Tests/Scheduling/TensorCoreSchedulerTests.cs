using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>Which products run on warp-level tensor cores, and how they are cut.</summary>
internal sealed class TensorCoreSchedulerTests
{
    private const int H200 = 132;

    [TestCase(75, null)]
    [TestCase(80, KernelFamily.TensorFloat16)]
    [TestCase(86, KernelFamily.TensorFloat16)]
    [TestCase(89, KernelFamily.TensorFloat8)]
    [TestCase(120, KernelFamily.TensorFloat8)]
    public void The_compute_capability_chooses_the_family(int computeCapability, KernelFamily? family)
    {
        TilePlan plan = TileScheduler.Plan(100, 256, 512, Gpu(computeCapability), null, fitsTensorCores: true);

        plan.Hopper.Should().BeNull();
        plan.TensorCores?.Family.Should().Be(family);
        plan.TensorCores.HasValue.Should().Be(family.HasValue);
    }

    [Test]
    public void Hopper_keeps_its_own_kernels_unless_another_family_is_demanded()
    {
        TileScheduler.Plan(100, 256, 512, Gpu(90), null, fitsTensorCores: true).Hopper.Should().NotBeNull();
        foreach (KernelFamily family in new[] { KernelFamily.TensorFloat8, KernelFamily.TensorFloat16 })
        {
            TilePlan plan = TileScheduler.Plan(100, 256, 512, Gpu(90), new TilePlanOverrides { Kernel = family }, fitsTensorCores: true);
            plan.Hopper.Should().BeNull();
            plan.TensorCores.Should().Be(new DenseTensorPlan(family, 64));
        }
    }

    [TestCase(1, 16)]
    [TestCase(32, 16)]
    [TestCase(33, 64)]
    public void Few_rows_take_small_tiles(int m, int tileM)
        => TileScheduler.Plan(m, 256, 512, Gpu(89), null, fitsTensorCores: true).TensorCores!.Value.TileM.Should().Be(tileM);

    [Test]
    public void What_does_not_fit_is_left_to_the_portable_kernel_or_refused()
    {
        TileScheduler.Plan(100, 256, 500, Gpu(89), null, fitsTensorCores: false).TensorCores.Should().BeNull();
        TileScheduler.Plan(100, 256, 512, Gpu(89), new TilePlanOverrides { TileM = 16 }, fitsTensorCores: true).TensorCores.Should().BeNull();
        TileScheduler.Plan(100, 256, 512, Gpu(89), new TilePlanOverrides { Kernel = KernelFamily.Portable }, fitsTensorCores: true).TensorCores.Should().BeNull();
        FluentActions.Invoking(() => TileScheduler.Plan(100, 256, 512, Gpu(86), new TilePlanOverrides { Kernel = KernelFamily.TensorFloat8 }, fitsTensorCores: true))
            .Should().Throw<ArgumentException>().WithMessage("tile plan: kernel family TensorFloat8 cannot run, because the device's compute capability*");
    }

    // Measured on one H200: the fastest of every plan, launched back to back.
    [TestCase(16, 16, 4, 1)]
    [TestCase(16, 64, 4, 1)]
    [TestCase(1024, 16, 2, 1)]
    [TestCase(1024, 64, 1, 2)]
    public void The_plan_of_a_shrink_is_the_measured_best(int tokens, int rank, int split, int columnWarps)
        => LoraTensorScheduler.Shrink(tokens, 9, rank, 4096, 1, H200)
            .Should().Be(new LoraTensorPlan { Split = split, ColumnWarps = columnWarps, Turns = 1, PrefetchesEarly = tokens == 16 });

    [TestCase(16, 16, 1)]
    [TestCase(16, 64, 1)]
    [TestCase(1024, 16, 4)]
    [TestCase(1024, 64, 6)]
    public void The_plan_of_an_expand_is_the_measured_best(int tokens, int rank, int turns)
        => LoraTensorScheduler.Expand(tokens, 9, 4096, rank, 1, H200)
            .Should().Be(new LoraTensorPlan { Split = 1, ColumnWarps = 4, Turns = turns, PrefetchesEarly = turns == 1 });

    [Test]
    public void Lora_runs_on_tensor_cores_from_compute_capability_9_on()
    {
        LoraTensorScheduler.Runs(Gpu(90), null, null).Should().BeTrue();
        LoraTensorScheduler.Runs(Gpu(100), new LoraPlanOverrides(), null).Should().BeTrue();
        LoraTensorScheduler.Runs(Gpu(89), null, null).Should().BeFalse();
        LoraTensorScheduler.Runs(Gpu(90), null, "it does not fit").Should().BeFalse();
        LoraTensorScheduler.Runs(Gpu(90), new LoraPlanOverrides { SplitK = 2 }, null).Should().BeFalse("a part of the portable plan is fixed");
        LoraTensorScheduler.Runs(Gpu(90), new LoraPlanOverrides { Kernel = KernelFamily.Portable }, null).Should().BeFalse();
        FluentActions.Invoking(() => LoraTensorScheduler.Runs(Gpu(90), new LoraPlanOverrides { Kernel = KernelFamily.TensorFloat16 }, "it does not fit"))
            .Should().Throw<ArgumentException>().WithMessage("*because it does not fit.");
    }

    private static DeviceTraits Gpu(int computeCapability) => new()
    {
        Kind = DeviceKind.Cuda,
        Name = "GPU",
        Multiprocessors = H200,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = computeCapability,
    };
}
