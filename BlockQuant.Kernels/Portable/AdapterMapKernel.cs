using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="AdapterMapKernel"/>.</summary>
internal struct AdapterMapArguments : IKernelArguments
{
    /// <summary>The adapter of each token, or −1.</summary>
    public ArrayView<int> Mapping;
    public ArrayView<int> SortedTokens;
    public ArrayView<int> Counts;
    public ArrayView<int> Starts;
    public ArrayView<int> AdapterIds;

    /// <summary>Empty, or the <see cref="DeviceStatus"/> that tells the first token whose adapter does not exist.</summary>
    public ArrayView<int> Status;
    public int Adapters;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Mapping);
        block.Add(SortedTokens);
        block.Add(Counts);
        block.Add(Starts);
        block.Add(AdapterIds);
        block.Add(Status);
        block.Add(Adapters);
    }
}

/// <summary>
/// Sorts tokens by adapter, stably: group g of the grid finds the tokens of adapter g − 1, each lane those of its own stretch of tokens, so no
/// order depends on timing.
/// </summary>
/// <remarks>Method: a counting sort without atomics; gives what vLLM's <c>LoRAKernelMeta</c> holds.</remarks>
internal static class AdapterMapKernel
{
    /// <summary>The most lanes of a group; shared memory holds numbers for each.</summary>
    public const int MaxLanes = 256;

    public static void Run(AdapterMapArguments a)
    {
        ArrayView<int> ownCounts = SharedMemory.Allocate<int>(MaxLanes);
        ArrayView<int> lowerCounts = SharedMemory.Allocate<int>(MaxLanes);
        ArrayView<int> firstBad = SharedMemory.Allocate<int>(MaxLanes);
        long tokens = a.Mapping.Length;
        int adapter = Grid.IdxX - 1;
        long stretch = MatrixIndex.CeilDivide(tokens, Group.DimX);
        long begin = Math.Min(tokens, Group.IdxX * stretch);
        long end = Math.Min(tokens, begin + stretch);
        int own = 0;
        int lower = 0;
        int bad = StatusReport.Nowhere;
        for (long token = begin; token < end; token++)
        {
            int found = a.Mapping[token];
            int id = Known(found, a.Adapters);
            own += id == adapter ? 1 : 0;
            lower += id < adapter ? 1 : 0;
            bad = id != found ? Math.Min(bad, (int)token) : bad;
        }

        ownCounts[Group.IdxX] = own;
        lowerCounts[Group.IdxX] = lower;
        firstBad[Group.IdxX] = bad;
        Group.Barrier();
        int before = 0;
        int count = 0;
        int start = 0;
        for (int lane = 0; lane < Group.DimX; lane++)
        {
            before += lane < Group.IdxX ? ownCounts[lane] : 0;
            count += ownCounts[lane];
            start += lowerCounts[lane];
            bad = Math.Min(bad, firstBad[lane]);
        }

        int position = start + before;
        for (long token = begin; token < end; token++)
        {
            if (Known(a.Mapping[token], a.Adapters) == adapter)
            {
                a.SortedTokens[position] = (int)token;
                position++;
            }
        }

        if (Group.IdxX == 0)
        {
            a.Counts[Grid.IdxX] = count;
            a.Starts[Grid.IdxX] = start;
            a.AdapterIds[Grid.IdxX] = adapter;
            if (adapter == a.Adapters - 1)
            {
                a.Starts[Grid.IdxX + 1] = start + count;
            }

            if (adapter < 0 && bad != StatusReport.Nowhere)
            {
                StatusReport.Write(a.Status, (int)DeviceStatusCode.AdapterOutOfRange, bad, a.Mapping[bad], a.Adapters);
            }
        }
    }

    /// <summary>An adapter that does not exist counts as none.</summary>
    private static int Known(int adapter, int adapters) => adapter >= 0 && adapter < adapters ? adapter : -1;
}
