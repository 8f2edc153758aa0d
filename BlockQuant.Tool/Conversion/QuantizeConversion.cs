using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using BlockQuant.Host;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>A weight of <c>BF16</c>, <c>F16</c> or <c>F32</c> that becomes codes and, beside them, scales.</summary>
internal sealed record QuantizeConversion(TensorInfo Tensor, QuantizationScheme Scheme, RoundingMode Rounding) : TensorConversion(Tensor)
{
    public const string ScaleSuffix = "_scale_inv";

    private long Rows => Tensor.Shape[0];

    private long Columns => Tensor.Shape[1];

    private string ScaleName => Tensor.Name + ScaleSuffix;

    public override IReadOnlyList<TensorDeclaration> Outputs
    {
        get
        {
            SafetensorsDType codes = Scheme.Format == ElementFormat.Float8E4M3 ? SafetensorsDType.Float8E4M3 : SafetensorsDType.Int8;
            (long scaleRows, long scaleColumns) = Scheme.ScaleShape(Rows, Columns);
            return [new(Tensor.Name, codes, Rows, Columns), new(ScaleName, SafetensorsDType.Float32, scaleRows, scaleColumns)];
        }
    }

    public override long Run(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance) => Tensor.DType switch
    {
        SafetensorsDType.BFloat16 => Run<BFloat16>(source, writer, buffers, advance),
        SafetensorsDType.Float16 => Run<Half>(source, writer, buffers, advance),
        _ => Run<float>(source, writer, buffers, advance),
    };

    private long Run<T>(Checkpoint source, SafetensorsWriter writer, PieceBuffers buffers, Action<long> advance)
        where T : unmanaged
    {
        long scaleColumns = Scheme.ScaleShape(Rows, Columns).Columns;
        long notFinite = 0;
        foreach (MatrixPiece piece in MatrixPiece.Cut(Rows, Columns, Scheme.Block.Rows, Scheme.Block.Columns))
        {
            Span<T> values = buffers.Source<T>(piece.Elements);
            Span<byte> codes = buffers.Target<byte>(piece.Elements);
            MatrixPiece scalePiece = piece.ScalesOf(Scheme);
            Span<float> scales = buffers.Scales(scalePiece.Elements);

            piece.Read(source, Tensor.Name, Columns, Unsafe.SizeOf<T>(), MemoryMarshal.AsBytes(values));
            HostQuantization.Quantize<T>(values, piece.Rows, piece.Columns, Scheme, codes, scales, Rounding);
            piece.Write(writer, Tensor.Name, Columns, sizeof(byte), codes);
            scalePiece.Write(writer, ScaleName, scaleColumns, sizeof(float), MemoryMarshal.AsBytes(scales));

            foreach (float scale in scales)
            {
                notFinite += float.IsFinite(scale) ? 0 : 1;
            }

            advance((long)piece.Elements * Unsafe.SizeOf<T>());
        }

        return notFinite;
    }
}
