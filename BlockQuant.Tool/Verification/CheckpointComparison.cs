using System.Numerics;
using System.Runtime.InteropServices;
using BlockQuant.Storage;
using BlockQuant.Tool.Conversion;

namespace BlockQuant.Tool.Verification;

/// <summary>Compares two checkpoints tensor by tensor and piece by piece; quantized weights by their values, code × scale.</summary>
internal sealed class CheckpointComparison(Checkpoint a, Checkpoint b)
{
    private const int BytesAtOnce = 1 << 24;

    private readonly Side sideA = new(a);
    private readonly Side sideB = new(b);

    /// <summary>Bytes that will be read, for progress.</summary>
    public long TotalBytes => a.Tensors.Sum(tensor => tensor.ByteLength);

    /// <summary>Compares all tensors, in the order of their names.</summary>
    public IReadOnlyList<TensorComparison> Run(Action<long> advance)
    {
        string[] names = [.. sideA.Names.Concat(sideB.Names).Distinct().Order(StringComparer.Ordinal)];
        return Array.ConvertAll(names, name => Compare(name, advance));
    }

    private TensorComparison Compare(string name, Action<long> advance)
    {
        TensorInfo? inA = sideA.Find(name);
        TensorInfo? inB = sideB.Find(name);
        var comparison = new TensorComparison(name, inA, inB);
        if (inA is null || inB is null || !inA.Shape.AsSpan().SequenceEqual(inB.Shape))
        {
            return comparison;
        }

        if (!sideA.IsNumeric(inA) || !sideB.IsNumeric(inB))
        {
            return comparison with { IsIdentical = inA.DTypeName == inB.DTypeName && HaveSameBytes(inA, inB) };
        }

        return CompareValues(comparison, inA, inB, advance);
    }

    private TensorComparison CompareValues(TensorComparison comparison, TensorInfo inA, TensorInfo inB, Action<long> advance)
    {
        QuantizationScheme? schemeA = sideA.SchemeOf(inA);
        QuantizationScheme? schemeB = sideB.SchemeOf(inB);
        (long rows, long columns) = inA.Shape is [long first, long second] ? (first, second) : (1, Elements(inA));
        (long alignRows, long alignColumns) = Align(schemeA, schemeB);

        var error = new ErrorStatistics();
        CodeStatistics? codes = (schemeB ?? schemeA) is { } scheme ? new CodeStatistics(scheme) : null;
        foreach (MatrixPiece piece in MatrixPiece.Cut(rows, columns, alignRows, alignColumns))
        {
            Memory<float> valuesA = sideA.Read(inA, schemeA, piece, columns, schemeB is null ? codes : null);
            Memory<float> valuesB = sideB.Read(inB, schemeB, piece, columns, codes);
            error.Add(valuesA, valuesB);
            advance(inA.ByteLength / Elements(inA) * piece.Elements);
        }

        return comparison with { Error = error, Codes = codes };
    }

    private static (long Rows, long Columns) Align(QuantizationScheme? left, QuantizationScheme? right)
    {
        (long leftRows, long leftColumns) = left is null ? (1, 1) : WeightReader.Alignment(left);
        (long rightRows, long rightColumns) = right is null ? (1, 1) : WeightReader.Alignment(right);
        return (LeastCommonMultiple(leftRows, rightRows), LeastCommonMultiple(leftColumns, rightColumns));
    }

    private static long LeastCommonMultiple(long left, long right) =>
        left / (long)BigInteger.GreatestCommonDivisor(left, right) * right;

    private static long Elements(TensorInfo tensor) => tensor.Shape.Aggregate(1L, (product, extent) => product * extent);

    private bool HaveSameBytes(TensorInfo inA, TensorInfo inB)
    {
        if (inA.ByteLength != inB.ByteLength)
        {
            return false;
        }

        for (long offset = 0; offset < inA.ByteLength; offset += BytesAtOnce)
        {
            int length = (int)Math.Min(BytesAtOnce, inA.ByteLength - offset);
            if (!sideA.ReadBytes(inA, offset, length).SequenceEqual(sideB.ReadBytes(inB, offset, length)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>One of the two checkpoints, with its own memory to read pieces into.</summary>
    private sealed class Side
    {
        private readonly Checkpoint checkpoint;
        private readonly BlockShape? block;
        private readonly HashSet<string> scales;
        private readonly PieceBuffers buffers = new();
        private float[] values = [];

        public Side(Checkpoint checkpoint)
        {
            this.checkpoint = checkpoint;
            block = ModelConfig.Read(checkpoint)?.Block;
            scales = [.. checkpoint.Tensors.Select(tensor => checkpoint.TryGetScale(tensor, out TensorInfo? scale) ? scale.Name : null).OfType<string>()];
        }

        /// <summary>All tensors but the scales of quantized weights, which are part of those.</summary>
        public IEnumerable<string> Names => checkpoint.Tensors.Select(tensor => tensor.Name).Where(name => !scales.Contains(name));

        public TensorInfo? Find(string name) => scales.Contains(name) ? null : checkpoint.TryGet(name, out TensorInfo? tensor) ? tensor : null;

        public QuantizationScheme? SchemeOf(TensorInfo tensor) => checkpoint.SchemeOf(tensor, block);

        public bool IsNumeric(TensorInfo tensor) =>
            tensor.DType is SafetensorsDType.BFloat16 or SafetensorsDType.Float16 or SafetensorsDType.Float32 or SafetensorsDType.Float8E4M3
            || checkpoint.TryGetScale(tensor, out _);

        public ReadOnlySpan<byte> ReadBytes(TensorInfo tensor, long offset, int length)
        {
            Span<byte> bytes = buffers.Source<byte>(length);
            checkpoint.CopyTo(tensor.Name, bytes, offset);
            return bytes;
        }

        public Memory<float> Read(TensorInfo tensor, QuantizationScheme? scheme, MatrixPiece piece, long columns, CodeStatistics? codeStatistics)
        {
            if (values.Length < piece.Elements)
            {
                values = new float[piece.Elements];
            }

            Memory<float> read = values.AsMemory(0, piece.Elements);
            if (scheme is not null)
            {
                var reader = new WeightReader(checkpoint, tensor, scheme, buffers);
                ReadOnlyMemory<byte> codes = reader.ReadCodes(piece);
                codeStatistics?.Add(codes, piece.Rows, piece.Columns);
                reader.Dequantize(piece, codes.Span, read.Span);
                return read;
            }

            switch (tensor.DType)
            {
                case SafetensorsDType.BFloat16:
                    BulkConversion.ToSingle(ReadPiece<BFloat16>(tensor, piece, columns), read.Span);
                    break;
                case SafetensorsDType.Float16:
                    BulkConversion.ToSingle(ReadPiece<Half>(tensor, piece, columns), read.Span);
                    break;
                case SafetensorsDType.Float8E4M3:
                    BulkConversion.ToSingle(ReadPiece<Float8E4M3>(tensor, piece, columns), read.Span);
                    break;
                default:
                    piece.Read(checkpoint, tensor.Name, columns, sizeof(float), MemoryMarshal.AsBytes(read.Span));
                    break;
            }

            return read;
        }

        private ReadOnlySpan<T> ReadPiece<T>(TensorInfo tensor, MatrixPiece piece, long columns)
            where T : unmanaged
        {
            Span<T> elements = buffers.Source<T>(piece.Elements);
            piece.Read(checkpoint, tensor.Name, columns, System.Runtime.CompilerServices.Unsafe.SizeOf<T>(), MemoryMarshal.AsBytes(elements));
            return elements;
        }
    }
}
