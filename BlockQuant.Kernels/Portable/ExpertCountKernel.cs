using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ExpertCountKernel"/>.</summary>
internal struct ExpertCountArguments : IKernelArguments
{
    /// <summary>Expert ids [T, k].</summary>
    public ArrayView<int> Ids;

    public int Experts;

    /// <summary>Rows of each expert in each chunk [chunks, E].</summary>
    public ArrayView<int> ChunkCounts;

    /// <summary>The first wrong id of each chunk [chunks].</summary>
    public ArrayView<int> ChunkFaults;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Ids);
        block.Add(Experts);
        block.Add(ChunkCounts);
        block.Add(ChunkFaults);
    }
}

/// <summary>Counts the rows of every expert in chunks of ids. Each lane counts its own experts, so nothing is atomic and any E will do.</summary>
internal static class ExpertCountKernel
{
    /// <summary>Ids in one chunk.</summary>
    public const int Chunk = 256;

    public static void Run(ExpertCountArguments a)
    {
        ArrayView<int> ids = SharedMemory.Allocate<int>(Chunk);
        long chunks = MatrixIndex.CeilDivide(a.Ids.Length, Chunk);
        for (long chunk = Grid.IdxX; chunk < chunks; chunk += Grid.DimX)
        {
            long start = chunk * Chunk;
            int count = (int)Math.Min(Chunk, a.Ids.Length - start);
            for (int i = Group.IdxX; i < count; i += Group.DimX)
            {
                ids[i] = a.Ids[start + i];
            }

            Group.Barrier();
            for (int expert = Group.IdxX; expert < a.Experts; expert += Group.DimX)
            {
                int rows = 0;
                for (int i = 0; i < count; i++)
                {
                    rows += ids[i] == expert ? 1 : 0;
                }

                a.ChunkCounts[chunk * a.Experts + expert] = rows;
            }

            if (Group.IdxX == Group.DimX - 1)
            {
                int i = 0;
                while (i < count && ids[i] >= 0 && ids[i] < a.Experts)
                {
                    i++;
                }

                a.ChunkFaults[chunk] = i < count ? (int)(start + i) : StatusReport.Nowhere;
            }

            // The next chunk's ids must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
