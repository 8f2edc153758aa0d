namespace BlockQuant;

/// <content>The same operators over operands that own their memory.</content>
public sealed partial class ExpertRouting
{
    /// <summary>Sorts the slots of all tokens by (expert, token, slot).</summary>
    /// <param name="expertIds">The experts of each token [T, k].</param>
    /// <param name="topK">k, the experts of one token.</param>
    /// <param name="experts">E, the experts.</param>
    /// <returns>The routing, to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">The length is no multiple of k, or an id is no expert; the message says which.</exception>
    public ExpertRoutingTable Route(ReadOnlySpan<int> expertIds, int topK, int experts)
    {
        Require.Positive(topK, nameof(topK));
        if (expertIds.Length % topK != 0)
        {
            throw new ArgumentException($"expertIds: length {expertIds.Length}; expected a multiple of {topK}, the experts of one token.", nameof(expertIds));
        }

        ExpertIndices.RequireIds(expertIds, experts);
        int tokens = expertIds.Length / topK;
        using DeviceMatrix<int> ids = device.Upload(expertIds, tokens, topK);
        return Result.Finished(device, new ExpertRoutingTable(device, tokens, topK, experts), r => Route(ids.View, r.View, r.Workspace.View));
    }

    /// <summary>Copies each token's row to the sorted rows of its slots.</summary>
    /// <param name="source">One row a token [T, columns], of elements of 1, 2 or 4 bytes.</param>
    /// <param name="routing">The routing.</param>
    /// <returns>The sorted rows [T · k, columns], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or element type does not fit.</exception>
    public DeviceMatrix<T> Gather<T>(DeviceMatrix<T> source, ExpertRoutingTable routing)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(routing);
        return Result.Finished(device, new DeviceMatrix<T>(device, routing.Rows, source.Columns), r => Gather(source.View, routing.View, r.View));
    }

    /// <summary>Each token's weighted sum of its slots' rows.</summary>
    /// <param name="source">The sorted rows [T · k, columns] of BFloat16, Half or Single.</param>
    /// <param name="weights">The weight of each slot [T, k].</param>
    /// <param name="routing">The routing.</param>
    /// <returns>One row a token [T, columns], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or element type does not fit.</exception>
    public DeviceMatrix<T> Combine<T>(DeviceMatrix<T> source, DeviceMatrix<float> weights, ExpertRoutingTable routing)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(routing);
        return Result.Finished(device, new DeviceMatrix<T>(device, routing.Tokens, source.Columns), r => Combine(source.View, weights.View, routing.View, r.View));
    }
}
