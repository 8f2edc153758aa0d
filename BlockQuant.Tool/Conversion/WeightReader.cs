using System.Runtime.InteropServices;
using BlockQuant.Host;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>Reads a quantized weight of a checkpoint piece by piece, dequantized.</summary>
internal sealed class WeightReader
{
    private readonly Checkpoint source;
    private readonly TensorInfo weight;
    private readonly TensorInfo scale;
    private readonly QuantizationScheme scheme;
    private readonly PieceBuffers buffers;

    /// <summary>Prepares to read a weight.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="weight">An F8_E4M3 or I8 matrix.</param>
    /// <param name="scheme">How it was quantized.</param>
    /// <param name="buffers">Memory for codes and scales.</param>
    /// <exception cref="InputException">The scales can't be read, or a block is too large.</exception>
    public WeightReader(Checkpoint source, TensorInfo weight, QuantizationScheme scheme, PieceBuffers buffers)
    {
        this.source = source;
        this.weight = weight;
        this.scheme = scheme;
        this.buffers = buffers;
        scale = RequireReadable(source, weight, scheme);
    }

    private long Columns => weight.Shape[1];

    /// <summary>Pieces that begin and end with a block, so that the scales of each are a rectangle.</summary>
    public IEnumerable<MatrixPiece> Pieces()
    {
        (long blockRows, long blockColumns) = Alignment(scheme);
        return MatrixPiece.Cut(weight.Shape[0], Columns, blockRows, blockColumns);
    }

    /// <summary>The scales of a weight, once it is sure that they and the weight can be read.</summary>
    /// <exception cref="InputException">There are no scales, they are of a type that can't be read, or a block is too large.</exception>
    public static TensorInfo RequireReadable(Checkpoint source, TensorInfo weight, QuantizationScheme scheme)
    {
        if (!source.TryGetScale(weight, out TensorInfo? scale))
        {
            throw new InputException($"{source.Path}: weight {weight} has no scales.");
        }

        (long blockRows, long blockColumns) = Alignment(scheme);
        MatrixPiece.RequireBlock(weight.Shape[0], weight.Shape[1], blockRows, blockColumns);
        return scale.DType is SafetensorsDType.Float32 or SafetensorsDType.BFloat16 or SafetensorsDType.Float16
            ? scale
            : throw new InputException($"{source.Path}: scales {scale}; expected F32, BF16 or F16.");
    }

    /// <summary>Rows and columns that a piece must be a multiple of.</summary>
    public static (long Rows, long Columns) Alignment(QuantizationScheme scheme) =>
        scheme.Granularity is ScaleGranularity.Block or ScaleGranularity.TokenGroup ? (scheme.Block.Rows, scheme.Block.Columns) : (1, 1);

    /// <summary>Reads the codes of a piece; they stay valid until the next piece is read.</summary>
    public ReadOnlyMemory<byte> ReadCodes(MatrixPiece piece)
    {
        Memory<byte> codes = buffers.SourceBytes(piece.Elements);
        piece.Read(source, weight.Name, Columns, sizeof(byte), codes.Span);
        return codes;
    }

    /// <summary>Reads a piece and dequantizes it.</summary>
    /// <typeparam name="T">BFloat16, Half or float.</typeparam>
    public void Read<T>(MatrixPiece piece, Span<T> values)
        where T : unmanaged => Dequantize(piece, ReadCodes(piece).Span, values);

    /// <summary>Dequantizes the codes of a piece.</summary>
    /// <typeparam name="T">BFloat16, Half or float.</typeparam>
    public void Dequantize<T>(MatrixPiece piece, ReadOnlySpan<byte> codes, Span<T> values)
        where T : unmanaged
    {
        MatrixPiece scalePiece = piece.ScalesOf(scheme);
        Span<float> scales = buffers.Scales(scalePiece.Elements);
        ReadScales(scalePiece, scales);
        HostQuantization.Dequantize(codes, scales, piece.Rows, piece.Columns, scheme, values);
    }

    private void ReadScales(MatrixPiece piece, Span<float> scales)
    {
        if (scale.DType == SafetensorsDType.Float32)
        {
            ReadScales(piece, MemoryMarshal.AsBytes(scales), sizeof(float));
        }
        else
        {
            var narrow = new byte[scales.Length * sizeof(ushort)];
            ReadScales(piece, narrow, sizeof(ushort));
            if (scale.DType == SafetensorsDType.BFloat16)
            {
                BulkConversion.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(narrow), scales);
            }
            else
            {
                BulkConversion.ToSingle(MemoryMarshal.Cast<byte, Half>(narrow), scales);
            }
        }
    }

    private void ReadScales(MatrixPiece piece, Span<byte> scales, int elementSize) =>
        piece.Read(source, scale.Name, scheme.ScaleShape(weight.Shape[0], Columns).Columns, elementSize, scales);
}
