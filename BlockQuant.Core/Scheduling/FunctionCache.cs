namespace BlockQuant.Scheduling;

/// <summary>Remembers results of a function, so that one that was asked for before costs a look.</summary>
/// <remarks>
/// Safe for any number of threads, none of which waits. Nothing is allocated after construction: an argument has one of a fixed number of places,
/// and takes it from the one that had it.
/// </remarks>
/// <param name="places">Results that are remembered at most.</param>
/// <param name="function">
/// The function. A pure one of all that <typeparamref name="TArgument"/> compares by, so that nobody sees from where a result came; what it throws is
/// thrown on, and nothing remembered.
/// </param>
/// <typeparam name="TArgument">All that a result depends on. Without references, as a place may be read while it is written.</typeparam>
/// <typeparam name="TResult">A result, without references.</typeparam>
internal sealed class FunctionCache<TArgument, TResult>(int places, Func<TArgument, TResult> function)
    where TArgument : unmanaged, IEquatable<TArgument>
    where TResult : unmanaged
{
    private readonly Entry[] entries = new Entry[places];

    /// <summary>The function's result.</summary>
    public TResult Result(in TArgument argument)
    {
        ref Entry entry = ref entries[Place(argument)];
        int version = Volatile.Read(ref entry.Version);
        // Version 0: nobody has written yet, and the place holds what an argument of zeros would find.
        if (version != 0 && entry.Argument.Equals(argument))
        {
            TResult found = entry.Result;
            // A sequence lock: an even version that is still the same means that what was copied is of one piece.
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && entry.Version == version)
            {
                return found;
            }
        }

        TResult result = function(argument);
        // An odd version marks a write in progress; a second writer leaves its result unremembered.
        if ((version & 1) == 0 && Interlocked.CompareExchange(ref entry.Version, version + 1, version) == version)
        {
            entry.Argument = argument;
            entry.Result = result;
            Volatile.Write(ref entry.Version, version + 2);
        }

        return result;
    }

    // Multiplying by an odd number brings arguments, whose hashes share their low bits, apart in the high ones.
    private int Place(in TArgument argument) =>
        (int)Math.BigMul((ulong)(uint)argument.GetHashCode() * 0xD6E8FEB86659FD93, (ulong)entries.Length, out _);

    private struct Entry
    {
        public int Version;
        public TArgument Argument;
        public TResult Result;
    }
}
