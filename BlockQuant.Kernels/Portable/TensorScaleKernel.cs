using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="TensorScaleKernel"/>.</summary>
internal struct TensorScaleArguments : IKernelArguments
{
    /// <summary>The bits of the largest magnitude before, of the scale after: one element, or one for each of many scales.</summary>
    public ArrayView<int> Scale;

    /// <summary>True to set the elements to zero instead, for the maximum to start from.</summary>
    public int Clear;

    /// <summary>The least scale, where it is above the format's own.</summary>
    public float Floor;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Scale);
        block.Add(Clear);
        block.Add(Floor);
    }
}

/// <summary>Clears the maximum of a tensor, or turns it into the tensor's scale. One lane, which takes one scale after the other.</summary>
internal static class TensorScaleKernel
{
    public static void Run<TFormat>(TensorScaleArguments a)
        where TFormat : struct, ICodeFormat
    {
        for (long i = 0; i < a.Scale.Length; i++)
        {
            a.Scale[i] = a.Clear != 0 ? 0 : BitConverter.SingleToInt32Bits(Magnitude.AtLeast(Magnitude.Scale<TFormat>(a.Scale[i]), a.Floor));
        }
    }
}
