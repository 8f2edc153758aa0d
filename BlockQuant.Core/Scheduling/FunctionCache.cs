namespace BlockQuant.Scheduling;

/// <summary>A dense product on a GPU: all that its cost depends on.</summary>
/// <param name="M">Tokens.</param>
/// <param name="N">Weight rows.</param>
/// <param name="K">Columns of both operands.</param>
/// <param name="Multiprocessors">Multiprocessors of the GPU.</param>
internal readonly record struct HopperProblem(int M, int N, int K, int Multiprocessors);

/// <summary>Remembers the plans of a model, so that a product that was planned before costs a look.</summary>
/// <remarks>
/// Safe for any number of threads, none of which waits. Nothing is allocated after construction: a product has one of a fixed number of places,
/// and takes it from the one that had it.
/// </remarks>
/// <param name="places">Products that are remembered at most.</param>
/// <param name="model">The plan of a product whose counts are positive: a pure function, so that nobody sees from where a plan came.</param>
internal sealed class HopperPlanCache(int places, Func<HopperProblem, HopperPlan> model)
{
    private readonly Entry[] entries = new Entry[places];

    /// <summary>The model's plan of a product.</summary>
    public HopperPlan Plan(HopperProblem problem)
    {
        ref Entry entry = ref entries[Place(problem)];
        int version = Volatile.Read(ref entry.Version);
        if (entry.Problem == problem)
        {
            HopperPlan found = entry.Plan;
            // What was read is of one piece if nobody wrote before it was read to the end.
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && entry.Version == version)
            {
                return found;
            }
        }

        HopperPlan plan = model(problem);
        // Odd while one thread writes; another that comes meanwhile goes without.
        if ((version & 1) == 0 && Interlocked.CompareExchange(ref entry.Version, version + 1, version) == version)
        {
            entry.Problem = problem;
            entry.Plan = plan;
            Volatile.Write(ref entry.Version, version + 2);
        }

        return plan;
    }

    // Multiplying by odd numbers brings shapes, which share their low bits, apart in the high ones.
    private int Place(HopperProblem problem)
    {
        ulong mixed = ((ulong)problem.M + 0x9E3779B97F4A7C15 * (ulong)problem.N + 0xC2B2AE3D27D4EB4F * (ulong)problem.K + (ulong)problem.Multiprocessors)
            * 0xD6E8FEB86659FD93;
        return (int)Math.BigMul(mixed, (ulong)entries.Length, out _);
    }

    private struct Entry
    {
        public int Version;
        public HopperProblem Problem;
        public HopperPlan Plan;
    }
}
