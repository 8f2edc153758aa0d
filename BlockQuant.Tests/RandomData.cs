namespace BlockQuant.Tests;

/// <summary>Random operands.</summary>
internal static class RandomData
{
    public static float[] Normal(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }

    public static Float8E4M3[] Codes(QuantizedMatrix matrix)
        => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Float8E4M3>(matrix.Codes.Span).ToArray();
}
