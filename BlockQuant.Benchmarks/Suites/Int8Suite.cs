using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>The INT8 rows of the peers' table, each result checked before it is timed.</summary>
internal static class Int8Suite
{
    private static readonly (int N, int K)[] Shapes = [(4096, 4096), (12288, 4096)];

    private static readonly (string Name, OutputType? Type, bool Bias)[] Products =
    [
        ("gemm", OutputType.Half, false), ("addmm", OutputType.Half, true), ("gemm_quant", null, false), ("addmm_quant", null, true),
    ];

    // Ragged in every extent, with edges inside tiles, blocks and 16-byte chunks.
    private static readonly (int M, int N, int K)[] RaggedShapes =
        [(1, 128, 128), (7, 130, 144), (65, 257, 400), (130, 1001, 1040), (300, 336, 2064), (515, 2112, 512)];

    /// <summary>Times every product with the plan that the scheduler chooses, or with <paramref name="sweep"/> with every plan; then weights and GELU.</summary>
    public static IEnumerable<SuiteResult> Run(GpuTimer timer, IReadOnlyList<int> tokens, bool sweep)
    {
        foreach (int m in tokens)
        {
            foreach (var (n, k) in Shapes)
            {
                foreach (var (name, type, bias) in Products)
                {
                    using var problem = new Int8Problem(timer, m, n, k, type, bias, nearest: false, rotate: true);
                    var chosen = Int8Scheduler.Fastest(m, n, k, timer.Multiprocessors, type is null);
                    foreach (var plan in sweep ? Plans(m, k, type is null) : [chosen])
                        yield return Time(timer, problem, plan, name);
                }
            }
        }

        foreach (var result in QuantSuite.Int8(timer))
            yield return result;
    }

    /// <summary>Checks every plan on ragged shapes, with every output, with and without a bias.</summary>
    public static IEnumerable<SuiteResult> Check(GpuTimer timer)
    {
        foreach (var (m, n, k) in RaggedShapes)
        {
            foreach (OutputType? type in new OutputType?[] { OutputType.BFloat16, OutputType.Half, OutputType.Single, null })
            {
                foreach (bool bias in new[] { false, true })
                {
                    using var problem = new Int8Problem(timer, m, n, k, type, bias, nearest: bias, rotate: false);
                    foreach (var plan in Plans(m, k, type is null))
                    {
                        string name = $"int8 {Name(plan)} {type?.ToString() ?? "quantized"}{(bias ? " bias" : "")}";
                        yield return new SuiteResult("check", m, n, k, name) { Error = Verify(problem, plan, type) };
                    }
                }
            }
        }
    }

    private static SuiteResult Time(GpuTimer timer, Int8Problem problem, HopperPlan plan, string name)
    {
        double error = Verify(problem, plan, name.EndsWith("quant", StringComparison.Ordinal) ? null : OutputType.Half);
        void Launch(int turn) => problem.Launch(plan, turn);
        double spaced = timer.Spaced(Launch);
        double sustained = timer.Sustained(Launch, Math.Max(problem.WeightCopies, spaced < 100 ? 20 : 4));
        return new SuiteResult("int8", problem.M, problem.N, problem.K, $"{name} {Name(plan)}")
        {
            Error = error,
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = sustained,
            Operations = 2.0 * problem.M * problem.N * problem.K,
            Bytes = problem.Bytes,
        };
    }

    // The sums are exact in a block, so that the rounding of the output is nearly all of the error.
    private static double Verify(Int8Problem problem, HopperPlan plan, OutputType? type)
    {
        double error = problem.Error(plan);
        double limit = type switch { null => 3e-2, OutputType.BFloat16 => 2.5e-3, OutputType.Half => 4e-4, _ => 1e-6 };
        return error <= limit
            ? error
            : throw new InvalidOperationException($"{problem.M} x {problem.N} x {problem.K}, {plan}: error {error:E2} is too large.");
    }

    private static IEnumerable<HopperPlan> Plans(int m, int k, bool quantizes)
    {
        foreach (int tileN in quantizes ? new[] { 128, 256 } : [128, 192, 256])
            yield return new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 16);
        if (m >= 1024)
            yield break;
        foreach (int tile in new[] { 8, 16, 32, 64, 128 })
        {
            for (int split = 1; tile < 2 * Math.Max(m, 8) && tile * 8 >= m && split <= Math.Min(8, (k + 127) / 128); split *= 2)
                yield return new HopperPlan(HopperKernelKind.Decode, tile, 128, split, 1);
        }
    }

    private static string Name(HopperPlan plan) => $"{plan.Kind} {plan.TileM}x{plan.TileN} split {plan.SplitK}";
}
