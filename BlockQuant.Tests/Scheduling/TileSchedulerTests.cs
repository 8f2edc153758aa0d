using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

public sealed class TileSchedulerTests
{
    private static readonly DeviceTraits Gpu = new()
    {
        Kind = DeviceKind.OpenCL,
        Name = "a GPU",
        Multiprocessors = 80,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
    };

    private static readonly DeviceTraits Processor = Gpu with { Kind = DeviceKind.Cpu, MaxGroupSize = 8, SharedMemoryPerGroup = int.MaxValue };

    [TestCase(0, 16)]
    [TestCase(1, 16)]
    [TestCase(64, 16)]
    [TestCase(65, 128)]
    [TestCase(4096, 128)]
    [TestCase(5_000_000_000, 128)]
    public void The_row_tile_follows_the_batch(long m, int tileM)
        => TileScheduler.Plan(m, 4096, 7168, Gpu).TileM.Should().Be(tileM);

    [TestCase(1)]
    [TestCase(4096)]
    public void A_processor_gets_few_lanes_whatever_the_batch(long m)
        => TileScheduler.Plan(m, 4096, 7168, Processor).Lanes.Should().BeLessThanOrEqualTo(Processor.MaxGroupSize);

    [TestCase(256, 48 * 1024, 128)]
    [TestCase(255, 48 * 1024, 64)]
    [TestCase(64, 48 * 1024, 32)]
    [TestCase(1024, 16 * 1024, 32)]
    [TestCase(1024, 8 * 1024, 16)]
    public void A_small_device_gets_a_smaller_row_tile(int maxGroup, int shared, int tileM)
        => TileScheduler.Plan(4096, 4096, 7168, Gpu with { MaxGroupSize = maxGroup, SharedMemoryPerGroup = shared }).TileM.Should().Be(tileM);

    [Test]
    public void Every_default_plan_can_run()
    {
        foreach (DeviceTraits traits in new[] { Gpu, Processor })
        {
            foreach (long m in new long[] { 0, 1, 16, 64, 65, 1 << 20 })
            {
                TilePlan plan = TileScheduler.Plan(m, 100, 300, traits);
                plan.Lanes.Should().BeInRange(1, traits.MaxGroupSize);
                plan.SharedBytes.Should().BeLessThanOrEqualTo(Math.Min(traits.SharedMemoryPerGroup, TileScheduler.PortableSharedBytes));
            }
        }
    }

    [Test]
    public void Sizes_that_pass_an_integers_range_do_not_wrap()
    {
        var plan = new TilePlan { TileM = 8, TileN = 4, TileK = 1 << 30, GroupM = 1, Stages = 1 << 30 };

        plan.SharedBytes.Should().Be(int.MaxValue);
        (plan with { TileM = 1 << 30, TileN = 1 << 30 }).Lanes.Should().Be(int.MaxValue);
    }

    [Test]
    public void Overrides_replace_only_what_they_name()
    {
        TilePlan plain = TileScheduler.Plan(4096, 4096, 7168, Gpu);
        TilePlan changed = TileScheduler.Plan(4096, 4096, 7168, Gpu, new TilePlanOverrides { TileK = 16, Stages = 2 });
        changed.Should().Be(plain with { TileK = 16, Stages = 2 });
    }

    [Test]
    public void Tensor_cores_are_used_where_the_device_and_the_operands_allow()
    {
        DeviceTraits hopper = Gpu with { Kind = DeviceKind.Cuda, ComputeCapability = 90 };
        TileScheduler.Plan(4096, 4096, 7168, hopper, null, fitsTensorCores: true).Hopper.Should().NotBeNull();
        TileScheduler.Plan(4096, 4096, 7168, hopper, new TilePlanOverrides { Kernel = KernelFamily.Hopper }, fitsTensorCores: true).Hopper.Should().NotBeNull();
        TileScheduler.Plan(4096, 4096, 7168, hopper, new TilePlanOverrides { Kernel = KernelFamily.Portable }, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.Plan(4096, 4096, 7168, hopper, new TilePlanOverrides { TileM = 64 }, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.Plan(4096, 4096, 7168, hopper, null, fitsTensorCores: false).Hopper.Should().BeNull();
        TileScheduler.Plan(4096, 4096, 7168, hopper with { ComputeCapability = 89 }, null, fitsTensorCores: true).Hopper.Should().BeNull();
        TileScheduler.Plan(0, 4096, 7168, hopper, null, fitsTensorCores: true).Hopper.Should().BeNull();
    }

    [Test]
    public void A_forced_family_that_cannot_run_says_why()
    {
        var forced = new TilePlanOverrides { Kernel = KernelFamily.Hopper };
        FluentActions.Invoking(() => TileScheduler.Plan(16, 16, 128, Gpu, forced, fitsTensorCores: true))
            .Should().Throw<ArgumentException>().WithMessage("*cannot run on a GPU, because it has not compute capability 9.0*");
        FluentActions.Invoking(() => TileScheduler.Plan(16, 16, 128, Gpu with { Kind = DeviceKind.Cuda, ComputeCapability = 90 }, forced))
            .Should().Throw<ArgumentException>().WithMessage("*scale blocks*");
    }

    [TestCase(12, null, null, null, null, "TileM is 12; expected a positive multiple of 8")]
    [TestCase(null, 6, null, null, null, "TileN is 6; expected a positive multiple of 4")]
    [TestCase(null, null, 0, null, null, "TileK is 0; expected a positive multiple of 1")]
    [TestCase(null, null, null, -1, null, "GroupM is -1; expected a positive multiple of 1")]
    [TestCase(null, null, null, null, 0, "Stages is 0; expected a positive multiple of 1")]
    [TestCase(512, 128, 1, null, null, "needs 2048 lanes in a group, but a GPU has at most 1024")]
    [TestCase(1024, 4, 1, null, null, "TileM is 1024; expected at most 512")]
    [TestCase(8, 4, 1 << 30, null, 1 << 30, "needs 64563604257983430656 bytes of shared memory")]
    [TestCase(null, null, 1024, null, null, "bytes of shared memory, but a group has 32768 on a GPU")]
    public void An_impossible_plan_says_why(int? tileM, int? tileN, int? tileK, int? groupM, int? stages, string reason)
    {
        var overrides = new TilePlanOverrides { TileM = tileM, TileN = tileN, TileK = tileK, GroupM = groupM, Stages = stages };
        Action plan = () => TileScheduler.Plan(4096, 4096, 7168, Gpu, overrides);
        plan.Should().Throw<ArgumentException>().WithMessage($"*{reason}*");
    }
}
