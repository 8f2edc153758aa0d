using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ExpertOffsetsKernel"/>.</summary>
internal struct ExpertOffsetsArguments : IKernelArguments
{
    /// <summary>Expert ids [T, k].</summary>
    public ArrayView<int> Ids;

    public int Experts;

    /// <summary>Rows of each expert in each chunk [chunks, E] before, those of the chunks before it after.</summary>
    public ArrayView<int> ChunkCounts;

    /// <summary>The first wrong id of each chunk [chunks].</summary>
    public ArrayView<int> ChunkFaults;

    /// <summary>Rows of each expert [E].</summary>
    public ArrayView<int> Counts;

    /// <summary>Where each expert's rows begin, and where the last one's end [E + 1].</summary>
    public ArrayView<int> Indptr;

    public ArrayView<int> Status;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Ids);
        block.Add(Experts);
        block.Add(ChunkCounts);
        block.Add(ChunkFaults);
        block.Add(Counts);
        block.Add(Indptr);
        block.Add(Status);
    }
}

/// <summary>Turns the counts of the chunks into the place of each chunk's first row of each expert. One group scans all experts.</summary>
internal static class ExpertOffsetsKernel
{
    /// <summary>The most lanes of the group.</summary>
    public const int MaxLanes = 256;

    public static void Run(ExpertOffsetsArguments a)
    {
        ArrayView<int> sums = SharedMemory.Allocate<int>(MaxLanes);
        ArrayView<int> lowest = SharedMemory.Allocate<int>(MaxLanes);
        int share = MatrixIndex.CeilDivide(a.Experts, Group.DimX);
        int first = Math.Min(Group.IdxX * share, a.Experts);
        int end = Math.Min(first + share, a.Experts);
        int rows = 0;
        for (int expert = first; expert < end; expert++)
        {
            int count = 0;
            for (long i = expert; i < a.ChunkCounts.Length; i += a.Experts)
            {
                // ILGPU moves a plain load to its use, here behind the store to the same place.
                count += ViewAtomics.Exchange(a.ChunkCounts, i, count);
            }

            a.Counts[expert] = count;
            rows += count;
        }

        int fault = StatusReport.Nowhere;
        for (long chunk = Group.IdxX; chunk < a.ChunkFaults.Length; chunk += Group.DimX)
        {
            fault = Math.Min(fault, a.ChunkFaults[chunk]);
        }

        sums[Group.IdxX] = rows;
        lowest[Group.IdxX] = fault;
        Group.Barrier();
        int before = 0;
        for (int lane = 0; lane < Group.DimX; lane++)
        {
            before += lane < Group.IdxX ? sums[lane] : 0;
            fault = Math.Min(fault, lowest[lane]);
        }

        for (int expert = first; expert < end; expert++)
        {
            a.Indptr[expert] = before;
            before += a.Counts[expert];
        }

        if (Group.IdxX == Group.DimX - 1)
        {
            a.Indptr[a.Experts] = before;
        }

        if (Group.IdxX == 0 && fault != StatusReport.Nowhere)
        {
            StatusReport.Write(a.Status, (int)DeviceStatusCode.ExpertOutOfRange, fault, a.Ids[fault], a.Experts);
        }
    }
}
