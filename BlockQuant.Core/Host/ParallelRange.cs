namespace BlockQuant.Host;

/// <summary>Work on a range of independent items.</summary>
internal interface IRangeWork
{
    void Run(long begin, long end);
}

/// <summary>Runs independent items on every core. Which core takes which item does not change any result.</summary>
internal static class ParallelRange
{
    /// <summary>Elements that are worth another core's while.</summary>
    public const long LeastChunk = 64 * 1024;

    private const long MostChunk = 1024 * 1024;

    /// <summary>How many of so many elements a core takes at a time.</summary>
    /// <remarks>
    /// Far longer than the distance of prefetches, since a core waits for memory at each chunk's start and what it prefetched past the end is fetched
    /// again by the core that has the next; still several chunks a core, so that all end together.
    /// </remarks>
    public static long StreamChunk(long elements) => Math.Clamp(elements / (4L * Environment.ProcessorCount), LeastChunk, MostChunk);

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
