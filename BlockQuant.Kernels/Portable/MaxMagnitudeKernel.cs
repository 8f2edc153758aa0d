using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="MaxMagnitudeKernel"/>.</summary>
internal struct MaxMagnitudeArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Source;

    /// <summary>One element, the bits of the largest magnitude; zero before the launch.</summary>
    public ArrayView<int> Amax;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(Amax);
    }
}

/// <summary>The largest magnitude of a whole tensor. The maximum is over integers, so the order of the atomics does not matter.</summary>
internal static class MaxMagnitudeKernel
{
    public static void Run<TBits, TElement>(MaxMagnitudeArguments<TBits> a)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        int amax = 0;
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Source.Length; i += stride)
        {
            amax = Magnitude.Max(amax, Magnitude.Of(TElement.Decode(a.Source[i])));
        }

        ViewAtomics.Max(a.Amax, 0, amax);
    }
}
