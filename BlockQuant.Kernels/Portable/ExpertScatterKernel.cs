using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ExpertScatterKernel"/>.</summary>
internal struct ExpertScatterArguments : IKernelArguments
{
    /// <summary>Expert ids [T, k].</summary>
    public ArrayView<int> Ids;

    public int Experts;

    /// <summary>Rows of each expert in the chunks before each chunk [chunks, E].</summary>
    public ArrayView<int> ChunkCounts;

    /// <summary>Where each expert's rows begin, and where the last one's end [E + 1].</summary>
    public ArrayView<int> Indptr;

    /// <summary>The slot token · k + j of each sorted row [T · k].</summary>
    public ArrayView<int> RowSlots;

    /// <summary>The sorted row of each slot [T, k].</summary>
    public ArrayView<int> SlotRows;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Ids);
        block.Add(Experts);
        block.Add(ChunkCounts);
        block.Add(Indptr);
        block.Add(RowSlots);
        block.Add(SlotRows);
    }
}

/// <summary>
/// Gives every slot its row: behind the rows of smaller experts, of the chunks before, and of the slots before it in its chunk. So rows are in
/// the order (expert, token, slot) whatever the order of the lanes.
/// </summary>
internal static class ExpertScatterKernel
{
    /// <summary>The row of a slot whose expert does not exist, and the slot of a row that stays empty therefore.</summary>
    public const int None = -1;

    public static void Run(ExpertScatterArguments a)
    {
        ArrayView<int> ids = SharedMemory.Allocate<int>(ExpertCountKernel.Chunk);
        long chunks = MatrixIndex.CeilDivide(a.Ids.Length, ExpertCountKernel.Chunk);
        int rows = a.Indptr[a.Experts];
        for (long chunk = Grid.IdxX; chunk < chunks; chunk += Grid.DimX)
        {
            long start = chunk * ExpertCountKernel.Chunk;
            int count = (int)Math.Min(ExpertCountKernel.Chunk, a.Ids.Length - start);
            for (int i = Group.IdxX; i < count; i += Group.DimX)
            {
                ids[i] = a.Ids[start + i];
            }

            Group.Barrier();
            for (int i = Group.IdxX; i < count; i += Group.DimX)
            {
                int expert = ids[i];
                int row = None;
                if (expert >= 0 && expert < a.Experts)
                {
                    row = a.Indptr[expert] + a.ChunkCounts[chunk * a.Experts + expert];
                    for (int earlier = 0; earlier < i; earlier++)
                    {
                        row += ids[earlier] == expert ? 1 : 0;
                    }

                    a.RowSlots[row] = (int)(start + i);
                }

                a.SlotRows[start + i] = row;
                if (start + i >= rows)
                {
                    a.RowSlots[start + i] = None;
                }
            }

            // The next chunk's ids must not overwrite what a slower lane still reads.
            Group.Barrier();
        }
    }
}
