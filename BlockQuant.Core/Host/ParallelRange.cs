namespace BlockQuant.Host;

/// <summary>Work on a range of independent items.</summary>
internal interface IRangeWork
{
    void Run(long begin, long end);
}

/// <summary>Runs independent items on every core. Which core takes which item does not change any result.</summary>
internal static class ParallelRange
{
    /// <summary>Runs items 0 to <paramref name="count"/>, <paramref name="chunk"/> at a time, in the caller's thread and the pool's.</summary>
    public static void Run<TWork>(TWork work, long count, long chunk)
        where TWork : struct, IRangeWork
    {
        chunk = Math.Max(chunk, 1);
        long chunks = count / chunk + (count % chunk == 0 ? 0 : 1);
        int workers = (int)Math.Min(chunks, Environment.ProcessorCount);
        if (workers <= 1)
        {
            if (count > 0)
            {
                work.Run(0, count);
            }

            return;
        }

        long next = 0;
        Parallel.For(0, workers, _ =>
        {
            // Chunks are taken as cores come free, so that a core the system took away holds up no more than its own.
            for (long taken = Interlocked.Increment(ref next) - 1; taken < chunks; taken = Interlocked.Increment(ref next) - 1)
            {
                work.Run(taken * chunk, Math.Min(count, (taken + 1) * chunk));
            }
        });
    }
}
