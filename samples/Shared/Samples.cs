namespace BlockQuant.Samples;

/// <summary>What the samples share: random operands and the comparison with float64.</summary>
internal static class Samples
{
    /// <summary>Normally distributed values (Box-Muller).</summary>
    public static float[] Normal(Random random, int count, double deviation = 1)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }

    public static BFloat16[] ToBFloat16(float[] values) => Array.ConvertAll(values, BFloat16.FromSingle);

    public static float[] ToSingle(BFloat16[] values) => Array.ConvertAll(values, value => value.ToSingle());

    /// <summary>What a bf16 matrix in between keeps of exact values.</summary>
    public static float[] RoundedToBFloat16(double[] values) => Array.ConvertAll(values, value => BFloat16.FromSingle((float)value).ToSingle());

    /// <summary>Prints ‖found − expected‖ / ‖expected‖.</summary>
    /// <returns>The process's exit code: 0 within the bound, else 1.</returns>
    public static int Compare(ReadOnlySpan<BFloat16> found, ReadOnlySpan<double> expected, double bound)
    {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(found[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        double error = Math.Sqrt(difference / norm);
        Console.WriteLine(FormattableString.Invariant($"relative error vs float64 reference: {error:E3}, bound {bound:E0}"));
        // Not a number is wrong too.
        return error <= bound ? 0 : 1;
    }
}
