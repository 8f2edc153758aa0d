namespace BlockQuant.Reference;

/// <summary>
/// Every operator of the library once more, in plain loops over host arrays: slow, obvious, and what the kernels are compared with.
/// </summary>
/// <remarks>
/// Sums and products are float64. Only what decides a code is float32, in the order a kernel does it: the scale is
/// <c>max(amax / largest code, floor)</c> and a code is the rounded <c>x / scale</c>, each with one IEEE division.
/// Matrices are row-major; A is [M, K], B [N, K], and a product is C = A·Bᵀ [M, N].
/// </remarks>
public static partial class ReferenceOperators
{
    /// <summary>The values of a quantized matrix, code × scale; each is exact.</summary>
    /// <param name="matrix">Any format, granularity and shard offset.</param>
    /// <returns>[rows, columns].</returns>
    public static double[] Dequantize(QuantizedMatrix matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        (long blockRows, long blockColumns) = matrix.Scheme.BlockOf(matrix.Rows, matrix.Columns);
        ReadOnlySpan<byte> codes = matrix.Codes.Span;
        ReadOnlySpan<float> scales = matrix.Scales.Span;
        bool isFloat8 = matrix.Scheme.Format == ElementFormat.Float8E4M3;
        var values = new double[codes.Length];
        for (long row = 0; row < matrix.Rows; row++)
        {
            long scaleRow = (row + matrix.ScaleRowOffset) / blockRows * matrix.ScaleColumns;
            for (long column = 0; column < matrix.Columns; column++)
            {
                int index = (int)(row * matrix.Columns + column);
                double scale = scales[(int)(scaleRow + (column + matrix.ScaleColumnOffset) / blockColumns)];
                values[index] = scale * (isFloat8 ? Float8Codec.Decode(codes[index]) : (sbyte)codes[index]);
            }
        }

        return values;
    }

    /// <summary>C = A·Bᵀ + bias of two quantized matrices, each of any granularity and shard offset.</summary>
    /// <param name="a">A [M, K].</param>
    /// <param name="b">B [N, K].</param>
    /// <param name="bias">[N], added to every row; empty for none.</param>
    /// <returns>C [M, N].</returns>
    /// <exception cref="ArgumentException">K differs, or the bias has another length than N.</exception>
    public static double[] Multiply(QuantizedMatrix a, QuantizedMatrix b, ReadOnlySpan<float> bias = default)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        RequireSameDepth(a, b);
        if (!bias.IsEmpty && bias.Length != b.Rows)
        {
            throw new ArgumentException($"bias: length {bias.Length}; expected {b.Rows}.", nameof(bias));
        }

        var product = new double[checked(a.Rows * b.Rows)];
        double[] left = Dequantize(a);
        double[] right = Dequantize(b);
        for (long row = 0; row < a.Rows; row++)
        {
            for (long column = 0; column < b.Rows; column++)
            {
                double sum = Dot(left, row, right, column, a.Columns);
                product[row * b.Rows + column] = bias.IsEmpty ? sum : sum + bias[(int)column];
            }
        }

        return product;
    }

    /// <summary>Row <paramref name="leftRow"/> of one matrix times row <paramref name="rightRow"/> of another, both <paramref name="depth"/> wide.</summary>
    private static double Dot(ReadOnlySpan<double> left, long leftRow, ReadOnlySpan<double> right, long rightRow, long depth)
    {
        ReadOnlySpan<double> x = left.Slice(checked((int)(leftRow * depth)), checked((int)depth));
        ReadOnlySpan<double> y = right.Slice(checked((int)(rightRow * depth)), checked((int)depth));
        double sum = 0;
        for (int k = 0; k < x.Length; k++)
        {
            sum += x[k] * y[k];
        }

        return sum;
    }

    private static void RequireSameDepth(QuantizedMatrix a, QuantizedMatrix b)
    {
        if (a.Columns != b.Columns)
        {
            throw new ArgumentException($"b: shape [{b.Rows}, {b.Columns}]; expected [N, {a.Columns}], the K of a.", nameof(b));
        }
    }
}
