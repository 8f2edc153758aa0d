using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>
/// Products of rows sorted by expert over the shapes of the peers' table, from codes and from bfloat16. Every row's expert is drawn at random,
/// so experts have unequal numbers of rows. Each result is checked before it is timed.
/// </summary>
internal static class GroupedSuite
{
    /// <summary>The largest error that a bfloat16 result may have.</summary>
    public const double MaxError = 2.5e-3;

    private static readonly (int Experts, int Rows, int N, int K)[] Shapes =
        [(32, 4096, 4096, 7168), (32, 4096, 7168, 2048), (32, 32768, 4096, 7168), (32, 32768, 7168, 2048), (256, 32768, 4096, 7168)];

    // Ragged, with empty experts, edges inside tiles, and few as well as many rows an expert.
    private static readonly (int Experts, int Rows, int N, int K)[] RaggedShapes =
        [(1, 1, 128, 128), (3, 20, 130, 256), (5, 130, 264, 384), (40, 333, 1001, 512), (3, 700, 2110, 640), (3, 2700, 257, 384), (300, 3000, 136, 128)];

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        foreach (var (experts, rows, n, k) in Shapes)
        {
            var plan = HopperExpertScheduler.Grouped(rows, experts, n, k, timer.Multiprocessors);
            using var problem = new ExpertProblem(timer, Ids(rows, experts), experts, n, k, plan, sorted: true);
            double bytes = (double)problem.UsedExperts * n * k + (double)rows * k + 2.0 * rows * n;
            string name = $"{experts} experts {plan.Kind} {plan.TileM}x{plan.TileN}";
            double error = Verify(problem.Error(problem.QuantizeAndMultiplyGroups), name);
            yield return Time(timer, _ => problem.QuantizeAndMultiplyGroups(), "grouped", rows, n, k, $"bf16 {name}", error, bytes + 2.0 * rows * k);
            yield return Time(timer, _ => problem.MultiplyGroups(), "grouped", rows, n, k, $"codes {name}", error, bytes);
        }
    }

    /// <summary>Checks every kind of plan on ragged shapes.</summary>
    public static IEnumerable<SuiteResult> Check(GpuTimer timer)
    {
        HopperPlan[] plans =
        [
            new HopperPlan(HopperKernelKind.GroupedPrefill, 128, 256, 1, 16),
            .. new[] { 64, 128, 192, 256 }.Select(tile => new HopperPlan(HopperKernelKind.GroupedPrefill, tile, 128, 1, 8)),
            .. new[] { 16, 32, 64 }.Select(tile => new HopperPlan(HopperKernelKind.GroupedDecode, tile, 128, 1, 16)),
        ];
        foreach (var (experts, rows, n, k) in RaggedShapes)
        {
            foreach (var plan in plans)
            {
                string name = $"{experts} experts {plan.Kind} {plan.TileM}x{plan.TileN}";
                using var problem = new ExpertProblem(timer, Ids(rows, experts), experts, n, k, plan, sorted: true);
                yield return new SuiteResult("check", rows, n, k, name) { Error = Verify(problem.Error(problem.QuantizeAndMultiplyGroups), name) };
                if (plan.Kind != HopperKernelKind.GroupedDecode)
                    continue;
                int[] mixed = Ids(rows, experts);
                new Random(5).Shuffle(mixed);
                using var unsorted = new ExpertProblem(timer, mixed, experts, n, k, plan, sorted: false);
                yield return new SuiteResult("check", rows, n, k, $"unsorted {name}") { Error = Verify(unsorted.Error(unsorted.SortAndMultiply), name) };
            }
        }
    }

    /// <summary>Times a product.</summary>
    public static SuiteResult Time(
        GpuTimer timer, Action<int> launch, string suite, int rows, int n, int k, string name, double error, double bytes)
    {
        double spaced = timer.Spaced(launch);
        return new SuiteResult(suite, rows, n, k, name)
        {
            Error = error,
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = timer.Sustained(launch, spaced < 100 ? 20 : 4),
            Operations = 2.0 * rows * n * k,
            Bytes = bytes,
        };
    }

    /// <summary>The error, if it is small enough.</summary>
    public static double Verify(double error, string name) =>
        error <= MaxError ? error : throw new InvalidOperationException($"{name}: error {error:E2} is too large.");

    private static int[] Ids(int rows, int experts)
    {
        var random = new Random(6);
        int[] ids = Enumerable.Range(0, rows).Select(_ => random.Next(experts)).ToArray();
        Array.Sort(ids);
        return ids;
    }
}
