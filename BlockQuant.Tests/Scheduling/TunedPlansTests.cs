using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

internal sealed class TunedPlansTests
{
    private static readonly TilePlan Portable = new() { TileM = 32, TileN = 64, TileK = 64, GroupM = 8, Stages = 1 };
    private static readonly TilePlan Decode = Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 4, 1) };

    private static readonly DeviceTraits Hopper = new()
    {
        Kind = DeviceKind.Cuda,
        Name = "a Hopper",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = 90,
    };

    [Test]
    public void What_is_saved_is_read_back_and_other_devices_keep_theirs()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("plans.json");
        var first = new TunedPlans("a");
        first.Set(1, 2, 3, Portable);
        first.Set(4, 5, 6, Decode);
        first.Save(path);
        new TunedPlans("b").Save(path);

        TunedPlans read = TunedPlans.Load(path, "a");

        read.Count.Should().Be(2);
        read.Find(1, 2, 3).Should().Be(Portable);
        read.Find(4, 5, 6).Should().Be(Decode);
        read.Find(4, 5, 7).Should().BeNull();
        TunedPlans.Load(path, "b").Count.Should().Be(0);
        Directory.GetFiles(Path.GetDirectoryName(path)!).Should().ContainSingle();
    }

    [Test]
    public void A_file_that_is_not_there_has_no_plans()
        => TunedPlans.Load(Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString()), "a").Count.Should().Be(0);

    [TestCase("nonsense", "*not a file of tuned plans*")]
    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"plan":{"tileM":7,"tileN":64,"tileK":64,"groupM":8,"stages":1}}]}""", "*[1, 1, 1] on a*")]
    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1,"hopper":{"kind":"Prefill","tileM":128,"tileN":77,"splitK":1,"groupM":16}}}]}""", "*[1, 1, 1] on a*")]
    public void A_damaged_file_is_told(string text, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("plans.json");
        File.WriteAllText(path, text);

        var load = () => TunedPlans.Load(path, "a");

        load.Should().Throw<InvalidDataException>().WithMessage(message);
    }

    [Test]
    public void A_plan_no_kernel_has_is_refused()
    {
        var set = () => new TunedPlans("a").Set(1, 1, 1, Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 3, 1) });

        set.Should().Throw<ArgumentException>();
    }

    [Test]
    public void A_tuned_plan_goes_before_the_models_where_operands_fit_and_nothing_is_fixed()
    {
        var tuned = new TunedPlans(Hopper.Name);
        tuned.Set(64, 4096, 4096, Decode);

        TileScheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().Be(Decode);
        TileScheduler.Plan(65, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().NotBe(Decode);
        TileScheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: false, tuned).Hopper.Should().BeNull();
        TileScheduler.Plan(64, 4096, 4096, Hopper, new TilePlanOverrides(), fitsTensorCores: true, tuned).Should().NotBe(Decode);
    }
}
