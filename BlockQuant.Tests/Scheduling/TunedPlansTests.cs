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
        first.Set(4, 5, 512, Decode);
        first.Set(1, 2, 512, Decode, ElementFormat.Int8);
        first.Save(path);
        new TunedPlans("b").Save(path);

        TunedPlans read = TunedPlans.Load(path, "a");

        read.Count.Should().Be(3);
        read.Find(1, 2, 3).Should().Be(Portable);
        read.Find(4, 5, 512).Should().Be(Decode);
        read.Find(4, 5, 513).Should().BeNull();
        read.Find(1, 2, 512, ElementFormat.Int8).Should().Be(Decode);
        read.Find(4, 5, 512, ElementFormat.Int8).Should().BeNull();
        TunedPlans.Load(path, "b").Count.Should().Be(0);
        Directory.GetFiles(Path.GetDirectoryName(path)!).Should().ContainSingle();
    }

    [Test]
    public void Saving_at_once_never_leaves_half_a_file()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("plans.json");
        var plans = new TunedPlans("a");
        for (int m = 1; m <= 200; m++)
        {
            plans.Set(m, 2, 3, Portable);
        }

        Parallel.For(0, 50, _ =>
        {
            plans.Save(path);
            TunedPlans.Load(path, "a").Count.Should().Be(200);
        });

        Directory.GetFiles(Path.GetDirectoryName(path)!).Should().ContainSingle();
    }

    [Test]
    public void A_file_that_is_not_there_has_no_plans()
        => TunedPlans.Load(Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString()), "a").Count.Should().Be(0);

    [Test]
    public void A_file_that_says_no_format_has_plans_of_FP8()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("plans.json");
        File.WriteAllText(path, """{"a":[{"m":1,"n":2,"k":3,"plan":{"tileM":32,"tileN":64,"tileK":64,"groupM":8,"stages":1}}]}""");

        TunedPlans read = TunedPlans.Load(path, "a");

        read.Find(1, 2, 3).Should().Be(Portable);
        read.Find(1, 2, 3, ElementFormat.Int8).Should().BeNull();
    }

    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"plan":{"tileM":8,"tileN":64,"tileK":4096,"groupM":8,"stages":1}}]}""", "*[1, 1, 1] on a*")]
    [TestCase("""{"a":[{"m":129,"n":1,"k":1,"plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1,"hopper":{"kind":"Prefill","tileM":128,"tileN":256,"splitK":1,"groupM":16,"pairs":true}}},{"m":128,"n":1,"k":1,"plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1,"hopper":{"kind":"Prefill","tileM":128,"tileN":256,"splitK":1,"groupM":16,"pairs":true}}}]}""", "*[128, 1, 1] on a*")]
    [TestCase("nonsense", "*not a file of tuned plans*")]
    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"format":"Int4","plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1}}]}""", "*not a file of tuned plans*")]
    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"format":7,"plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1}}]}""", "*the 7 plan of [1, 1, 1] on a*")]
    [TestCase("""{"a":[{"m":1,"n":1,"k":1,"format":"Int8","plan":{"tileM":8,"tileN":64,"tileK":64,"groupM":8,"stages":1,"hopper":{"kind":"Prefill","tileM":128,"tileN":64,"splitK":1,"groupM":16}}}]}""", "*the Int8 plan of [1, 1, 1] on a*")]
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

    private static IEnumerable<TilePlan> PlansWithoutInt8Kernels =>
    [
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 3, 1) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 64, 1, 1) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 144, 1, 16) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 16, OverlapStores: true) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 16, Pairs: true) },
        Portable with { TensorCores = DenseTensorScheduler.Plan(64, 4096, 4096, Hopper with { ComputeCapability = 89 }, null, true) },
    ];

    [TestCaseSource(nameof(Impossible))]
    public void A_plan_no_kernel_has_is_refused(TilePlan plan)
    {
        var set = () => new TunedPlans("a").Set(200, 4096, 512, plan);

        set.Should().Throw<ArgumentException>().WithMessage("*no Float8E4M3 kernel has it*");
    }

    [TestCaseSource(nameof(PlansWithoutInt8Kernels))]
    public void A_plan_no_Int8_kernel_has_is_refused(TilePlan plan)
    {
        var set = () => new TunedPlans("a").Set(1, 1, 1, plan, ElementFormat.Int8);

        set.Should().Throw<ArgumentException>().WithMessage("*no Int8 kernel has it*");
    }

    [Test]
    public void A_plan_the_device_cannot_run_is_refused_and_passed_over()
    {
        DeviceTraits small = Hopper with { ComputeCapability = 75, MaxGroupSize = 64, SharedMemoryPerGroup = 16 * 1024 };
        foreach (TilePlan plan in (TilePlan[])[Portable with { TileM = 64, TileK = 32 }, Portable with { TileN = 32, TileK = 80 }])
        {
            var tuned = new TunedPlans(Hopper.Name);
            tuned.Set(1, 2, 3, plan);
            tuned.Set(1, 2, 3, plan, ElementFormat.Int8);

            FluentActions.Invoking(() => tuned.Require(small)).Should().Throw<ArgumentException>().WithMessage($"*{plan} of [1, 2, 3]*a Hopper can run*");
            FluentActions.Invoking(() => tuned.Require(Hopper)).Should().NotThrow();
            TileScheduler.Plan(1, 2, 3, small, null, fitsTensorCores: true, tuned).Should().Be(TileScheduler.Plan(1, 2, 3, small));
            Int8Scheduler.Plan(1, 2, 3, small, null, fitsTensorCores: true, tuned).Should().Be(Int8Scheduler.Plan(1, 2, 3, small));
        }

        var tensor = new TunedPlans(Hopper.Name);
        tensor.Set(1, 2, 3, Portable with { TileN = 32, TensorCores = new DenseTensorPlan(KernelFamily.TensorFloat8, 16) });
        TileScheduler.Plan(1, 2, 3, small, null, fitsTensorCores: true, tensor).TensorCores.Should().BeNull();
    }

    [Test]
    public void A_device_refuses_plans_that_it_cannot_run()
    {
        using var device = new CountingDevice(TestDevice.Shared, Hopper with { MaxGroupSize = 32 });
        var tuned = new TunedPlans(device.Name);
        tuned.Set(1, 2, 3, Portable);

        FluentActions.Invoking(() => device.Plans = tuned).Should().Throw<ArgumentException>().WithMessage("*of [1, 2, 3]*");
        device.Plans.Should().BeNull();
    }

    private static IEnumerable<TilePlan> Impossible() =>
    [
        Portable with { TileM = 12 },
        Portable with { TileM = 1024, TileN = 4, TileK = 1 },
        Portable with { TileM = 512, TileN = 128, TileK = 1 },
        Portable with { TileK = 4096 },
        Portable with { TileM = 8, TileN = 4, TileK = 1 << 30, Stages = 1 << 30 },
        Portable with { TileM = 8, TileN = 4, TileK = 3 << 29, Stages = 8 },
        Portable with { Stages = int.MaxValue },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 3, 1) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 8, 1) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 128, 128, 1, 2, Pairs: true) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Decode, 16, 128, 1, 1, OverlapStores: true) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, int.MaxValue) },
        Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 3, Pairs: true) },
        Portable with { TensorCores = new DenseTensorPlan(KernelFamily.TensorFloat8, 32) },
    ];

    [Test]
    public void A_tuned_plan_goes_before_the_models_where_operands_fit_and_nothing_is_fixed()
    {
        var tuned = new TunedPlans(Hopper.Name);
        tuned.Set(64, 4096, 4096, Decode);

        TileScheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().Be(Decode);
        TileScheduler.Plan(65, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().NotBe(Decode);
        TileScheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: false, tuned).Hopper.Should().BeNull();
        TileScheduler.Plan(64, 4096, 4096, Hopper, new TilePlanOverrides(), fitsTensorCores: true, tuned).Should().NotBe(Decode);
        Int8Scheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().NotBe(Decode, "it is FP8's");
    }

    [Test]
    public void A_tuned_plan_of_INT8_goes_before_the_models_where_operands_fit_and_nothing_is_fixed()
    {
        var tuned = new TunedPlans(Hopper.Name);
        tuned.Set(64, 4096, 4096, Decode, ElementFormat.Int8);
        tuned.Set(65, 4096, 4096, Portable, ElementFormat.Int8);

        Int8Scheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().Be(Decode);
        Int8Scheduler.Plan(63, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().NotBe(Decode);
        Int8Scheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: false, tuned).Hopper.Should().BeNull();
        Int8Scheduler.Plan(64, 4096, 4096, Hopper, new TilePlanOverrides(), fitsTensorCores: true, tuned).Should().NotBe(Decode);
        Int8Scheduler.Plan(65, 4096, 4096, Hopper, null, fitsTensorCores: false, tuned).Should().Be(Portable);
        Int8Scheduler.Plan(65, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Hopper.Should().NotBeNull();
        TileScheduler.Plan(64, 4096, 4096, Hopper, null, fitsTensorCores: true, tuned).Should().NotBe(Decode, "it is INT8's");
    }

    [Test]
    public void A_quantized_product_follows_the_tuned_plan_as_far_as_there_are_kernels_that_quantize()
    {
        var tuned = new TunedPlans(Hopper.Name);
        HopperPlan PlanTuned(HopperPlan plan, long blockWidth = 128, TilePlanOverrides? overrides = null)
        {
            tuned.Set(64, 4096, 4096, Portable with { Hopper = plan }, ElementFormat.Int8);
            return Int8Scheduler.PlanQuantized(64, 4096, 4096, blockWidth, Hopper, overrides, fitsTensorCores: true, tuned).Hopper.GetValueOrDefault();
        }

        HopperPlan model = Int8Scheduler.Fastest(64, 4096, 4096, 132, quantizes: true);
        var decode = new HopperPlan(HopperKernelKind.Decode, 128, 128, 8, 1);
        HopperPlan Prefill(int width) => new(HopperKernelKind.Prefill, 128, width, 1, 16);
        PlanTuned(decode).Should().Be(decode).And.NotBe(model);
        PlanTuned(Prefill(128)).Should().Be(Prefill(128)).And.NotBe(model);
        PlanTuned(Prefill(256)).Should().Be(Prefill(256)).And.NotBe(model);
        PlanTuned(Prefill(192)).Should().BeOneOf(Prefill(128), Prefill(256));
        PlanTuned(decode, overrides: new TilePlanOverrides()).Should().Be(model);
        PlanTuned(decode, blockWidth: 64).Should().Be(default(HopperPlan), "a tile's groups are 128 wide");
    }
}
