using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>What becomes of one tensor of the input.</summary>
/// <param name="Tensor">The tensor of the input.</param>
internal abstract record TensorConversion(TensorInfo Tensor)
{
    /// <summary>The tensors that are written for it.</summary>
    public abstract IReadOnlyList<TensorDeclaration> Outputs { get; }

    /// <summary>Reads, converts and writes the tensor piece by piece.</summary>
    /// <param name="source">The input.</param>
    /// <param name="writer">The output file, in which <see cref="Outputs"/> are declared.</param>
    /// <param name="buffers">Memory to work in.</param>
    /// <param name="advance">Is told the bytes of the input that are done.</param>
    /// <returns>Scales that are not finite: blocks that hold NaN or an infinity.</returns>
    public abstract long Run(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance);
}
