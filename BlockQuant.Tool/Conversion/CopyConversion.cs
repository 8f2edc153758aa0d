using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>A tensor that is carried over byte for byte, whatever its element type.</summary>
internal sealed record CopyConversion(TensorInfo Tensor) : TensorConversion(Tensor)
{
    private const int PieceBytes = 1 << 26;

    public override IReadOnlyList<TensorDeclaration> Outputs { get; } = [TensorDeclaration.CopyOf(Tensor)];

    public override long Run(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance)
    {
        for (long offset = 0; offset < Tensor.ByteLength; offset += PieceBytes)
        {
            Span<byte> piece = buffers.Source<byte>((int)Math.Min(PieceBytes, Tensor.ByteLength - offset));
            source.CopyTo(Tensor.Name, piece, offset);
            writer.Write<byte>(Tensor.Name, offset, piece);
            advance(piece.Length);
        }

        return 0;
    }
}
