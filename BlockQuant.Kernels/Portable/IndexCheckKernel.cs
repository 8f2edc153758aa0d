using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="IndexCheckKernel"/>.</summary>
internal struct IndexCheckArguments : IKernelArguments
{
    public ArrayView<int> Indices;
    public int Minimum;
    public int Limit;

    /// <summary>The <see cref="DeviceStatusCode"/> of an index outside [Minimum, Limit).</summary>
    public int Code;

    public ArrayView<int> Status;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Indices);
        block.Add(Minimum);
        block.Add(Limit);
        block.Add(Code);
        block.Add(Status);
    }
}

/// <summary>Reports the first index that is out of range. One group, so that the lowest place wins whatever the order of the lanes.</summary>
internal static class IndexCheckKernel
{
    /// <summary>The most lanes of the group.</summary>
    public const int MaxLanes = 256;

    public static void Run(IndexCheckArguments a)
    {
        ArrayView<int> lowest = SharedMemory.Allocate<int>(MaxLanes);
        int first = StatusReport.Nowhere;
        for (long i = Group.IdxX; i < a.Indices.Length && first == StatusReport.Nowhere; i += Group.DimX)
        {
            int index = a.Indices[i];
            if (index < a.Minimum || index >= a.Limit)
            {
                first = (int)i;
            }
        }

        lowest[Group.IdxX] = first;
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            for (int lane = 1; lane < Group.DimX; lane++)
            {
                first = Math.Min(first, lowest[lane]);
            }

            if (first != StatusReport.Nowhere)
            {
                StatusReport.Write(a.Status, a.Code, first, a.Indices[first], a.Limit);
            }
        }
    }
}
