using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="ScaledQuantizeKernel"/>.</summary>
internal struct ScaledQuantizeArguments<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Source;
    public ArrayView<byte> Codes;
    public ArrayView<float> Scale;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Source);
        block.Add(Codes);
        block.Add(Scale);
    }
}

/// <summary>Quantizes a tensor by one scale that is already known.</summary>
/// <remarks>A scale that is not finite gives the not-a-number code everywhere, as it does for a block.</remarks>
internal static class ScaledQuantizeKernel
{
    public static void Run<TBits, TElement, TFormat>(ScaledQuantizeArguments<TBits> a)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        float scale = a.Scale[0];
        int magnitude = Magnitude.Of(scale);
        long stride = (long)Grid.DimX * Group.DimX;
        for (long i = (long)Grid.IdxX * Group.DimX + Group.IdxX; i < a.Source.Length; i += stride)
        {
            a.Codes[i] = Magnitude.Encode<TFormat>(TElement.Decode(a.Source[i]), scale, magnitude);
        }
    }
}
