using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ClearKernel"/>.</summary>
internal struct ClearArguments : IKernelArguments
{
    public ArrayView<float> Output;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Output);
    }
}

/// <summary>Sets every element to zero, for atomic sums to start from.</summary>
internal static class ClearKernel
{
    public static void Run(ClearArguments a)
    {
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Output.Length; i += stride)
        {
            a.Output[i] = 0f;
        }
    }
}
