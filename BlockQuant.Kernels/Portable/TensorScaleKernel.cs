using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="TensorScaleKernel"/>.</summary>
internal struct TensorScaleArguments : IKernelArguments
{
    /// <summary>One element: the bits of the largest magnitude before, of the scale after.</summary>
    public ArrayView<int> Scale;

    /// <summary>True to set the element to zero instead, for the maximum to start from.</summary>
    public int Clear;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Scale);
        block.Add(Clear);
    }
}

/// <summary>Clears the maximum of a tensor, or turns it into the tensor's scale. One lane.</summary>
internal static class TensorScaleKernel
{
    public static void Run<TFormat>(TensorScaleArguments a)
        where TFormat : struct, ICodeFormat
        => a.Scale[0] = a.Clear != 0 ? 0 : BitConverter.SingleToInt32Bits(Magnitude.Scale<TFormat>(a.Scale[0]));
}
