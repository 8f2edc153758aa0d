using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>LoRA shrink and expand over the shapes of the peers' table: FP8 codes, eight adapters, each token one of them.</summary>
internal static class LoraSuite
{
    private const double MaxShrinkError = 1e-5;

    // The output is rounded to bfloat16.
    private const double MaxExpandError = 2.5e-3;

    /// <summary>Times every row with the scheduler's plan, or with <paramref name="sweep"/> with every plan.</summary>
    public static IEnumerable<SuiteResult> Run(GpuTimer timer, bool sweep)
    {
        foreach (int tokens in new[] { 16, 1024 })
        {
            foreach (int rank in new[] { 16, 64 })
            {
                foreach (bool blocks in new[] { true, false })
                {
                    using var shrink = new LoraProblem(timer, tokens, rank, isExpand: false, blocks);
                    foreach (LoraTensorPlan plan in sweep ? shrink.Plans : [shrink.Chosen])
                    {
                        yield return Time(timer, shrink, plan, $"shrink {(blocks ? "block-wise 128" : "per channel")}", MaxShrinkError, dependent: true);
                    }

                    if (!sweep)
                    {
                        yield return Time(timer, shrink, shrink.Chosen, $"shrink {(blocks ? "block-wise 128" : "per channel")} in stream order", MaxShrinkError, dependent: false);
                    }
                }

                using var expand = new LoraProblem(timer, tokens, rank, isExpand: true, blocks: false);
                foreach (LoraTensorPlan plan in sweep ? expand.Plans : [expand.Chosen])
                {
                    yield return Time(timer, expand, plan, "expand per channel", MaxExpandError, dependent: true);
                }

                if (!sweep)
                {
                    yield return Time(timer, expand, expand.Chosen, "expand per channel in stream order", MaxExpandError, dependent: false);
                }
            }
        }
    }

    private static SuiteResult Time(GpuTimer timer, LoraProblem problem, LoraTensorPlan plan, string name, double maxError, bool dependent)
    {
        double error = problem.Error(plan);
        if (!(error <= maxError))
        {
            throw new InvalidOperationException($"{name}, {problem.Tokens} tokens, rank {problem.Rank}, {plan}: error {error:E2} is too large.");
        }

        void Launch(int turn) => problem.Launch(plan, turn, dependent);
        double spaced = timer.Spaced(Launch);
        double sustained = timer.Sustained(Launch, problem.Copies, 40);
        return new SuiteResult("lora", problem.Tokens, problem.Rank, LoraProblem.Hidden, $"{name} ({plan})")
        {
            Error = error,
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = sustained,
            Operations = 2.0 * problem.Tokens * problem.Rank * LoraProblem.Hidden,
            Bytes = problem.Bytes,
        };
    }
}
