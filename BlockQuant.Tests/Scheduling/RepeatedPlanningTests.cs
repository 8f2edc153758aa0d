using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>Every call of an operator plans anew: what that may cost, and what must not become of it.</summary>
internal sealed class RepeatedPlanningTests
{
    private static readonly TilePlanOverrides Portable = new() { Kernel = KernelFamily.Portable };

    [Test]
    public void A_second_plan_is_the_first_and_allocates_nothing([Values(0, 75, 80, 89, 90)] int computeCapability, [Values(1, 64, 4096)] int m)
    {
        DeviceTraits gpu = Gpu(computeCapability);
        object[] first = [.. Plans(gpu, m)];

        long before = GC.GetAllocatedBytesForCurrentThread();
        _ = TileScheduler.Plan(m, 4096, 7168, gpu, null, fitsTensorCores: true);
        _ = TileScheduler.Plan(m, 4096, 7168, gpu, Portable, fitsTensorCores: true);
        _ = TileScheduler.PlanQuantizing(m, 4096, 7168, gpu, null, fitsTensorCores: true, fitsFused: true, null);
        _ = TileScheduler.PlanGrouped(m, 32, 4096, 7168, gpu, null, fitsTensorCores: true);
        _ = TileScheduler.PlanGrouped(m, 32, 4096, 7168, gpu, Portable, fitsTensorCores: true);
        _ = TileScheduler.PlanBatched(m, 32, 4096, 7168, gpu, null, fitsTensorCores: true);
        _ = Int8Scheduler.Plan(m, 4096, 7168, gpu, null, fitsTensorCores: true);
        _ = Int8Scheduler.PlanQuantized(m, 4096, 7168, 128, gpu, null, fitsTensorCores: true);
        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);

        Plans(gpu, m).Should().Equal(first);
    }

    [Test]
    public void Plans_are_those_of_the_model_and_allocate_nothing_for_more_products_than_are_remembered()
    {
        HopperProblem[] problems =
        [
            .. from m in Enumerable.Range(1, 200)
               from weights in ((int N, int K)[])[(2112, 7168), (7168, 2048), (7168, 16384), (4096, 4096)]
               from multiprocessors in (int[])[78, 132]
               select new HopperProblem(m, weights.N, weights.K, multiprocessors),
        ];
        var first = new HopperPlan[problems.Length];
        var second = new HopperPlan[problems.Length];
        Plan(problems, first);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Plan(problems, second);
        GC.GetAllocatedBytesForCurrentThread().Should().Be(before);

        first.Should().Equal(problems.Select(Cheapest));
        second.Should().Equal(first);
    }

    [Test]
    public void The_model_is_asked_once_while_a_product_has_its_place()
    {
        int asked = 0;
        var cache = new FunctionCache<HopperProblem, HopperPlan>(1, problem =>
        {
            asked++;
            return Numbered(problem);
        });
        HopperProblem[] problems = [new(1, 1, 1, 1), new(2, 1, 1, 1), new(2, 3, 1, 1), new(2, 3, 4, 1), new(2, 3, 4, 5), new(2, 3, 4, 5, false), new(1, 1, 1, 1)];

        foreach (HopperProblem problem in problems)
        {
            cache.Result(problem).Should().Be(Numbered(problem));
            cache.Result(problem).Should().Be(Numbered(problem));
        }

        asked.Should().Be(problems.Length);
    }

    [Test]
    public void Threads_that_share_a_place_get_plans_of_one_piece()
    {
        var cache = new FunctionCache<HopperProblem, HopperPlan>(1, Numbered);
        int wrong = 0;

        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, thread =>
        {
            for (int i = 0; i < 300_000; i++)
            {
                int number = (i / 3 + thread) % 3 + 1;
                var problem = new HopperProblem(number, number, number, number);
                if (cache.Result(problem) != Numbered(problem))
                {
                    Interlocked.Increment(ref wrong);
                }
            }
        });

        wrong.Should().Be(0);
    }

    [Test]
    public void A_plan_that_is_tuned_or_forced_later_is_seen_at_once()
    {
        DeviceTraits gpu = Gpu(90);
        var tuned = new TunedPlans(gpu.Name);
        TilePlan Plan(TilePlanOverrides? overrides = null) => TileScheduler.Plan(48, 4096, 4096, gpu, overrides, fitsTensorCores: true, tuned);
        TilePlan model = Plan();
        foreach (int split in (int[])[1, 8])
        {
            TilePlan measured = model with { Hopper = new HopperPlan(HopperKernelKind.Decode, 128, 128, split, 1) };
            tuned.Set(48, 4096, 4096, measured);
            Plan().Should().Be(measured).And.NotBe(model);
        }

        Plan(Portable).Hopper.Should().BeNull();
        Plan(new TilePlanOverrides()).Should().Be(model);
    }

    private static IEnumerable<object> Plans(DeviceTraits gpu, int m) =>
    [
        TileScheduler.Plan(m, 4096, 7168, gpu, null, fitsTensorCores: true),
        TileScheduler.Plan(m, 4096, 7168, gpu, Portable, fitsTensorCores: true),
        TileScheduler.PlanQuantizing(m, 4096, 7168, gpu, null, fitsTensorCores: true, fitsFused: true, null),
        TileScheduler.PlanGrouped(m, 32, 4096, 7168, gpu, null, fitsTensorCores: true),
        TileScheduler.PlanGrouped(m, 32, 4096, 7168, gpu, Portable, fitsTensorCores: true),
        TileScheduler.PlanBatched(m, 32, 4096, 7168, gpu, null, fitsTensorCores: true) ?? default,
        Int8Scheduler.Plan(m, 4096, 7168, gpu, null, fitsTensorCores: true),
        Int8Scheduler.PlanQuantized(m, 4096, 7168, 128, gpu, null, fitsTensorCores: true),
    ];

    private static void Plan(HopperProblem[] problems, HopperPlan[] plans)
    {
        for (int i = 0; i < problems.Length; i++)
        {
            plans[i] = HopperScheduler.Plan(problems[i].M, problems[i].N, problems[i].K, problems[i].Multiprocessors);
        }
    }

    private static HopperPlan Cheapest(HopperProblem problem)
    {
        var (m, n, k, multiprocessors, narrow) = problem;
        return HopperScheduler.Candidates(m, n, k, multiprocessors, narrow).MinBy(plan => HopperScheduler.Cost(plan, m, n, k, multiprocessors));
    }

    // A plan that shows of which product it is.
    private static HopperPlan Numbered(HopperProblem problem)
        => new(HopperKernelKind.Decode, problem.M, problem.N, problem.K, problem.Multiprocessors, OverlapStores: problem.Narrow);

    private static DeviceTraits Gpu(int computeCapability) => new()
    {
        Kind = computeCapability > 0 ? DeviceKind.Cuda : DeviceKind.OpenCL,
        Name = "a GPU",
        Multiprocessors = 132,
        MaxGroupSize = 1024,
        SharedMemoryPerGroup = 48 * 1024,
        WarpSize = 32,
        ComputeCapability = computeCapability,
    };
}
