using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

public sealed class LoraSchedulerTests
{
    private static readonly DeviceTraits Gpu = new()
    {
        Kind = DeviceKind.Cuda,
        Name = "a GPU",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
    };

    private static readonly DeviceTraits Processor = Gpu with { Kind = DeviceKind.Cpu, MaxGroupSize = 8, SharedMemoryPerGroup = int.MaxValue };

    [TestCase(1)]
    [TestCase(16)]
    [TestCase(100)]
    [TestCase(256)]
    public void A_group_is_full_whatever_the_rank(long rank)
    {
        LoraPlan plan = LoraScheduler.Plan(16, rank, 4096, Gpu);
        plan.Lanes.Should().Be(128);
        plan.SharedBytes.Should().BeLessThanOrEqualTo(TileScheduler.PortableSharedBytes);
    }

    [TestCase(64)]
    [TestCase(16)]
    [TestCase(2)]
    public void A_small_group_gets_fewer_lanes(int lanes)
        => LoraScheduler.Plan(16, 64, 4096, Gpu with { MaxGroupSize = lanes }).Lanes.Should().BeLessThanOrEqualTo(lanes);

    [Test]
    public void A_processor_gets_one_lane() => LoraScheduler.Plan(1000, 64, 4096, Processor).Lanes.Should().Be(1);

    [Test]
    public void The_depth_is_split_only_where_few_tiles_meet_a_deep_product()
    {
        LoraScheduler.SuggestSplitK(16, 16, 8192, 1, Gpu).Should().BeGreaterThan(1);
        LoraScheduler.SuggestSplitK(16, 16, 256, 1, Gpu).Should().Be(1);
        LoraScheduler.SuggestSplitK(100_000, 64, 8192, 3, Gpu).Should().Be(1);
        LoraScheduler.SuggestSplitK(16, 16, 8192, 1, Processor).Should().Be(1);
        LoraScheduler.Plan(16, 16, 8192, Gpu).SplitK.Should().Be(1, "a split needs a workspace, so the caller asks for it");
    }

    [Test]
    public void Overrides_replace_parts_of_the_plan()
    {
        LoraPlan plan = LoraScheduler.Plan(16, 16, 4096, Gpu, new LoraPlanOverrides { TileM = 24, SplitK = 3 });
        (plan.TileM, plan.TileN, plan.SplitK).Should().Be((24, 16, 3));
    }
}
