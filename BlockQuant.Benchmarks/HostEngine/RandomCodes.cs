namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>Matrices of random codes, none of them NaN.</summary>
internal static class RandomCodes
{
    public static QuantizedMatrix Matrix(Random random, int rows, int columns, QuantizationScheme scheme)
    {
        byte[] codes = new byte[rows * columns];
        random.NextBytes(codes);
        for (int i = 0; i < codes.Length; i++)
        {
            if (codes[i] is 0x7F or 0xFF)
                codes[i] = 0;
        }

        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns);
        float[] scales = new float[scaleRows * scaleColumns];
        Array.Fill(scales, 0.01f);
        return new QuantizedMatrix(codes, rows, columns, scales, scheme);
    }
}
