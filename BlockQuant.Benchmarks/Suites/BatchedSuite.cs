using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>
/// Products of few rows, each with its own expert's weights, over the shapes of the peers' table: every token takes 8 of 32 experts. The
/// bytes are the weights of the experts that somebody takes. Each result is checked before it is timed.
/// </summary>
internal static class BatchedSuite
{
    private const int Experts = 32, TopK = 8;

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        foreach (var (n, k) in new[] { (4096, 7168), (7168, 2048) })
        {
            foreach (int tokens in new[] { 1, 8, 64 })
            {
                int rows = tokens * TopK;
                var plan = HopperExpertScheduler.Batched(rows, Experts, n);
                using var problem = new ExpertProblem(timer, Ids(tokens), Experts, n, k, plan, sorted: false);
                string name = $"{tokens} tokens x {TopK} of {Experts} experts, {problem.UsedExperts} taken, {plan.Kind} {plan.TileM}x{plan.TileN}";
                double error = GroupedSuite.Verify(problem.Error(problem.SortAndMultiply), name);
                yield return GroupedSuite.Time(
                    timer, _ => problem.SortAndMultiply(), "batched", rows, n, k, name, error, (double)problem.UsedExperts * n * k);
            }
        }
    }

    private static int[] Ids(int tokens)
    {
        var random = new Random(7);
        return Enumerable.Range(0, tokens).SelectMany(_ =>
        {
            int[] choices = Enumerable.Range(0, Experts).ToArray();
            random.Shuffle(choices);
            return choices.Take(TopK);
        }).ToArray();
    }
}
