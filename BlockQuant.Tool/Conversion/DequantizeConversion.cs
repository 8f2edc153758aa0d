using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>A quantized weight that becomes <c>BF16</c>, <c>F16</c> or <c>F32</c>; its scales are left out.</summary>
internal sealed record DequantizeConversion(TensorInfo Tensor, QuantizationScheme Scheme, SafetensorsDType DType) : TensorConversion(Tensor)
{
    private long Rows => Tensor.Shape[0];

    private long Columns => Tensor.Shape[1];

    public override IReadOnlyList<TensorDeclaration> Outputs => [new(Tensor.Name, DType, Rows, Columns)];

    public override long Run(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance)
    {
        switch (DType)
        {
            case SafetensorsDType.BFloat16:
                Run<BFloat16>(source, writer, buffers, advance);
                break;
            case SafetensorsDType.Float16:
                Run<Half>(source, writer, buffers, advance);
                break;
            default:
                Run<float>(source, writer, buffers, advance);
                break;
        }

        return 0;
    }

    private void Run<T>(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance)
        where T : unmanaged
    {
        var weight = new WeightReader(source, Tensor, Scheme, buffers);
        foreach (MatrixPiece piece in weight.Pieces())
        {
            Span<T> values = buffers.Target<T>(piece.Elements);
            weight.Read(piece, values);
            piece.Write(writer, Tensor.Name, Columns, Unsafe.SizeOf<T>(), MemoryMarshal.AsBytes(values));
            advance(piece.Elements);
        }
    }
}
