using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Which adapter each token uses, in device memory that its holder owns.</summary>
public sealed class AdapterMap : IDisposable
{
    private readonly List<DeviceBuffer<int>> owned = [];

    /// <summary>Allocates an uninitialised map.</summary>
    /// <param name="device">Where.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="adapters">Adapters; the map has one entry more, for the tokens without.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public AdapterMap(ComputeDevice device, int tokens, int adapters)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        Require.Positive(adapters, nameof(adapters));
        Adapters = adapters;
        try
        {
            SortedTokens = Own(device.Allocate<int>(tokens));
            Counts = Own(device.Allocate<int>(adapters + 1L));
            Starts = Own(device.Allocate<int>(adapters + 2L));
            AdapterIds = Own(device.Allocate<int>(adapters + 1L));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Builds a map from adapters that the host knows.</summary>
    /// <param name="device">Where.</param>
    /// <param name="mapping">The adapter of each token, or −1.</param>
    /// <param name="adapters">Adapters.</param>
    /// <exception cref="ArgumentException">An adapter does not exist; the message says of which token.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public AdapterMap(ComputeDevice device, ReadOnlySpan<int> mapping, int adapters)
        : this(device, mapping.Length, adapters)
    {
        try
        {
            Fill(mapping);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Adapters.</summary>
    public int Adapters { get; }

    /// <summary>Tokens.</summary>
    public long Tokens => SortedTokens.Length;

    /// <summary>Token indices sorted by adapter [tokens].</summary>
    public DeviceBuffer<int> SortedTokens { get; }

    /// <summary>Tokens of each entry [adapters + 1].</summary>
    public DeviceBuffer<int> Counts { get; }

    /// <summary>Where each entry's tokens begin, and the end of the last [adapters + 2].</summary>
    public DeviceBuffer<int> Starts { get; }

    /// <summary>The adapter of each entry, or −1 [adapters + 1].</summary>
    public DeviceBuffer<int> AdapterIds { get; }

    /// <summary>The map as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The map is disposed.</exception>
    public AdapterMapView View => new(SortedTokens.View, Counts.View, Starts.View, AdapterIds.View);

    /// <summary>Sorts tokens by adapter on the host and copies the map to the device; waits for the copy.</summary>
    /// <param name="mapping">The adapter of each token, or −1 [tokens].</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">The length does not fit, or an adapter does not exist; the message says of which token.</exception>
    public void Fill(ReadOnlySpan<int> mapping, AcceleratorStream? stream = null)
    {
        if (mapping.Length != Tokens)
        {
            throw new ArgumentException($"mapping: length {mapping.Length}; expected {Tokens}, the tokens of the map.", nameof(mapping));
        }

        var entryStarts = new int[Adapters + 2];
        for (int token = 0; token < mapping.Length; token++)
        {
            if (mapping[token] < -1 || mapping[token] >= Adapters)
            {
                throw new ArgumentException($"mapping: adapter id {mapping[token]} at {token}; expected -1 to {Adapters - 1}.", nameof(mapping));
            }

            entryStarts[mapping[token] + 2]++;
        }

        int[] entryCounts = entryStarts[1..];
        for (int entry = 0; entry <= Adapters; entry++)
        {
            entryStarts[entry + 1] += entryStarts[entry];
        }

        int[] next = entryStarts[..^1];
        var sorted = new int[mapping.Length];
        for (int token = 0; token < mapping.Length; token++)
        {
            sorted[next[mapping[token] + 1]++] = token;
        }

        SortedTokens.CopyFrom(sorted, stream);
        Counts.CopyFrom(entryCounts, stream);
        Starts.CopyFrom(entryStarts, stream);
        AdapterIds.CopyFrom([.. Enumerable.Range(-1, Adapters + 1)], stream);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose() => owned.ForEach(memory => memory.Dispose());

    private DeviceBuffer<int> Own(DeviceBuffer<int> memory)
    {
        owned.Add(memory);
        return memory;
    }
}
