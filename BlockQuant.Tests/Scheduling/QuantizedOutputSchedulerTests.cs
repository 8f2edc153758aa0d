using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

public sealed class QuantizedOutputSchedulerTests
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

    [Test]
    public void Every_plan_fits_its_results_beside_or_in_place_of_the_stages()
    {
        foreach (DeviceTraits traits in new[] { Gpu, Processor, Gpu with { MaxGroupSize = 64 } })
        {
            foreach (long m in new long[] { 0, 1, 64, 65, 1 << 20 })
            {
                for (int width = 1; width <= QuantizedOutputScheduler.MaxBlockWidth; width++)
                {
                    TilePlan plan = QuantizedOutputScheduler.Plan(m, width, traits);
                    int start = QuantizedOutputScheduler.ResultStart(plan, width);
                    string because = $"{plan} is for blocks of {width} on {traits.Name} with {traits.MaxGroupSize} lanes";
                    plan.Lanes.Should().BeInRange(1, traits.MaxGroupSize, because);
                    plan.TileM.Should().BeInRange(TileScheduler.LaneRows, QuantizedOutputScheduler.MaxTileM, because);
                    (plan.TileM % TileScheduler.LaneRows + plan.TileN % TileScheduler.LaneColumns).Should().Be(0, because);
                    plan.TileK.Should().BePositive(because);
                    plan.SharedBytes.Should().BeLessThanOrEqualTo(TileScheduler.PortableSharedBytes, because);
                    ((start + plan.TileM * width) * sizeof(float)).Should().BeLessThanOrEqualTo(TileScheduler.PortableSharedBytes, because);
                    (start == 0 ? plan.TileN : width).Should().BeGreaterThanOrEqualTo(width, because);
                    (start * sizeof(float) >= plan.SharedBytes || start == 0).Should().BeTrue(because);
                }
            }
        }
    }

    [TestCase(1, 16)]
    [TestCase(64, 16)]
    [TestCase(65, 64)]
    public void A_tile_covers_the_usual_block_on_a_gpu(long m, int tileM)
    {
        TilePlan plan = QuantizedOutputScheduler.Plan(m, 128, Gpu);
        (plan.TileM, plan.TileN, plan.TileK).Should().Be((tileM, 128, 32));
    }

    [TestCase(0)]
    [TestCase(513)]
    public void Impossible_blocks_are_refused(int width)
        => FluentActions.Invoking(() => QuantizedOutputScheduler.Plan(1, width, Gpu))
            .Should().Throw<ArgumentException>().WithMessage($"*{width} columns wide; expected 1 to 512*");

    [Test]
    public void A_device_without_the_memory_is_refused()
        => FluentActions.Invoking(() => QuantizedOutputScheduler.Plan(1, 512, Gpu with { SharedMemoryPerGroup = 16 * 1024 }))
            .Should().Throw<ArgumentException>().WithMessage("*8 rows of a 512 wide scale block do not fit the 16384 bytes of shared memory on a GPU*");

    [TestCase(128, null, 1, "TileM is 128; expected at most 64")]
    [TestCase(64, 128, 48, "needs 37248 bytes of shared memory, but a group has 32768 on a GPU")]
    [TestCase(64, 64, 16, "needs 41088 bytes of shared memory with the 128 wide blocks of its output")]
    [TestCase(12, null, null, "TileM is 12; expected a positive multiple of 8")]
    public void Impossible_overrides_are_refused(int? tileM, int? tileN, int? tileK, string reason)
        => FluentActions.Invoking(() => QuantizedOutputScheduler.Plan(1, 128, Gpu, new TilePlanOverrides { TileM = tileM, TileN = tileN, TileK = tileK }))
            .Should().Throw<ArgumentException>().WithMessage($"*{reason}*");

    [Test]
    public void Overrides_replace_only_what_they_name()
        => QuantizedOutputScheduler.Plan(1, 128, Gpu, new TilePlanOverrides { TileK = 16, Stages = 2 })
            .Should().Be(QuantizedOutputScheduler.Plan(1, 128, Gpu) with { TileK = 16, Stages = 2 });
}
