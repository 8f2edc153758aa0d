using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Block-scaled FP8 matmul over the shapes of the peers' table, each result checked before it is timed.</summary>
internal static class DenseSuite
{
    private const double MaxError = 2.5e-3;

    private static readonly (int N, int K)[] Shapes =
        [(4096, 7168), (7168, 2048), (2112, 7168), (24576, 1536), (7168, 16384), (4096, 4096)];

    // Ragged in every extent, with edges inside tiles, blocks and 16-byte chunks.
    private static readonly (int M, int N, int K)[] RaggedShapes =
        [(1, 128, 128), (7, 130, 144), (65, 257, 400), (130, 1001, 1040), (300, 336, 2064), (400, 1032, 1536), (515, 2110, 512)];

    /// <summary>Times every shape with the plan that the scheduler chooses, or with <paramref name="sweep"/> with every plan.</summary>
    public static IEnumerable<SuiteResult> Run(GpuTimer timer, IReadOnlyList<int> tokens, bool sweep)
    {
        foreach (int m in tokens)
        {
            foreach (var (n, k) in Shapes)
            {
                using var problem = new DenseProblem(timer, m, n, k, OutputType.BFloat16, columnMajorScales: false, rotate: true);
                var chosen = HopperScheduler.Plan(m, n, k, timer.Multiprocessors);
                foreach (var plan in sweep ? Plans(m, k) : [chosen])
                    yield return Time(timer, problem, plan);
            }
        }
    }

    /// <summary>Checks every plan on ragged shapes, with every output type and both layouts of the scales.</summary>
    public static IEnumerable<SuiteResult> Check(GpuTimer timer)
    {
        foreach (var (m, n, k) in RaggedShapes)
        {
            foreach (var type in Enum.GetValues<OutputType>())
            {
                foreach (bool columnMajor in new[] { false, true })
                {
                    using var problem = new DenseProblem(timer, m, n, k, type, columnMajor, rotate: false);
                    foreach (var plan in Plans(m, k))
                    {
                        string name = $"{Name(plan)} {type} {(columnMajor ? "column" : "row")}-major scales";
                        yield return new SuiteResult("check", m, n, k, name) { Error = Verify(problem, plan) };
                    }
                }
            }
        }
    }

    private static SuiteResult Time(GpuTimer timer, DenseProblem problem, HopperPlan plan)
    {
        double error = Verify(problem, plan);
        void Launch(int turn) => problem.Launch(plan, turn);
        double spaced = timer.Spaced(Launch);
        double sustained = timer.Sustained(Launch, Math.Max(problem.WeightCopies, spaced < 100 ? 20 : 4));
        return new SuiteResult("dense", problem.M, problem.N, problem.K, Name(plan))
        {
            Error = error,
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = sustained,
            Operations = 2.0 * problem.M * problem.N * problem.K,
            Bytes = (double)problem.N * problem.K + (double)problem.M * problem.K + 2.0 * problem.M * problem.N,
        };
    }

    private static double Verify(DenseProblem problem, HopperPlan plan)
    {
        double error = problem.Error(plan);
        return error <= MaxError
            ? error
            : throw new InvalidOperationException($"{problem.M} x {problem.N} x {problem.K}, {Name(plan)}: error {error:E2} is too large.");
    }

    private static IEnumerable<HopperPlan> Plans(int m, int k)
    {
        if (m > 32)
        {
            foreach (int tileN in new[] { 32, 64, 128, 144, 192, 256 })
            {
                yield return new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 16);
                if (tileN >= 128 && tileN % 64 == 0)
                    yield return new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 16, OverlapStores: true);
            }
            if ((m + 127) / 128 % 2 == 0)
            {
                yield return new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 16, Pairs: true);
                yield return new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 16, OverlapStores: true, Pairs: true);
            }
        }
        if (m >= 1024)
            yield break;
        foreach (int tile in new[] { 8, 16, 32, 64, 128 })
        {
            for (int split = 1; tile < 2 * Math.Max(m, 8) && tile * 8 >= m && split <= Math.Min(8, (k + 127) / 128); split *= 2)
            {
                foreach (int weightRows in (int[])[128, 64])
                {
                    var plan = new HopperPlan(HopperKernelKind.Decode, tile, weightRows, split, 1);
                    if (HopperScheduler.HasKernel(plan))
                        yield return plan;
                }
            }
        }
    }

    private static string Name(HopperPlan plan) => $"{plan.Kind} {plan.TileM}x{plan.TileN} split {plan.SplitK}{(plan.Pairs ? " in pairs" : "")}{(plan.OverlapStores ? " overlapped stores" : "")}";
}
