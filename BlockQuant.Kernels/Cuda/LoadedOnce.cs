using System.Collections.Concurrent;

namespace BlockQuant.Kernels.Cuda;

/// <summary>
/// Things that take long to load, each loaded at its first use and kept. One whose loading failed is tried again at its next use: the memory or the
/// driver's other resources that were lacking may be there by then.
/// </summary>
/// <param name="comparer">What makes keys equal, where their own answer takes long: all members of a record; null for their own.</param>
/// <remarks>Safe for any number of threads. Loads one at a time; what is loaded is found without waiting.</remarks>
internal sealed class LoadedOnce<TKey, TValue>(IEqualityComparer<TKey>? comparer = null)
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, TValue> loaded = new(comparer);
    private readonly Lock loading = new();

    /// <summary>The value of a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="source">What the value is loaded from.</param>
    /// <param name="load">Loads it; what it throws reaches the caller.</param>
    public TValue Get<TSource>(TKey key, TSource source, Func<TSource, TValue> load)
    {
        if (loaded.TryGetValue(key, out TValue? value))
        {
            return value;
        }

        lock (loading)
        {
            if (!loaded.TryGetValue(key, out value))
            {
                value = load(source);
                loaded[key] = value;
            }

            return value;
        }
    }
}
