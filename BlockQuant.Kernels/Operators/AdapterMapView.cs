using ILGPU;

namespace BlockQuant;

/// <summary>Which adapter each token uses, in the form that shrink and expand read: tokens sorted by adapter. Device memory of somebody else.</summary>
/// <remarks>
/// The layout of vLLM's <c>LoRAKernelMeta</c>. The map names every token once; entry g stands for the adapter <c>AdapterIds[g]</c> (−1 = none),
/// whose tokens are <c>SortedTokens[Starts[g] .. Starts[g] + Counts[g]]</c>. Entries without tokens may be present or not. An entry whose adapter
/// does not exist counts as one without adapter, a token that does not exist is passed over.
/// </remarks>
public readonly struct AdapterMapView
{
    /// <summary>Puts the parts of a map together.</summary>
    /// <param name="sortedTokens">Token indices sorted by adapter [tokens].</param>
    /// <param name="counts">Tokens of each entry [entries].</param>
    /// <param name="starts">Where each entry's tokens begin, and the end of the last [entries + 1].</param>
    /// <param name="adapterIds">The adapter of each entry, or −1 [entries].</param>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public AdapterMapView(ArrayView<int> sortedTokens, ArrayView<int> counts, ArrayView<int> starts, ArrayView<int> adapterIds)
    {
        Require.Positive(counts.Length, "counts.Length");
        Require.Length(starts, counts.Length + 1, nameof(starts));
        Require.Length(adapterIds, counts.Length, nameof(adapterIds));
        if (sortedTokens.Length > int.MaxValue)
        {
            throw new ArgumentException($"sortedTokens: length {sortedTokens.Length}; expected at most {int.MaxValue}.", nameof(sortedTokens));
        }

        SortedTokens = sortedTokens;
        Counts = counts;
        Starts = starts;
        AdapterIds = adapterIds;
    }

    /// <summary>Token indices sorted by adapter [tokens].</summary>
    public ArrayView<int> SortedTokens { get; }

    /// <summary>Tokens of each entry.</summary>
    public ArrayView<int> Counts { get; }

    /// <summary>Where each entry's tokens begin, and the end of the last.</summary>
    public ArrayView<int> Starts { get; }

    /// <summary>The adapter of each entry, or −1.</summary>
    public ArrayView<int> AdapterIds { get; }

    /// <summary>Tokens.</summary>
    public long Tokens => SortedTokens.Length;

    /// <summary>Entries: one more than the adapters, for the tokens without.</summary>
    public long Entries => Counts.Length;
}
