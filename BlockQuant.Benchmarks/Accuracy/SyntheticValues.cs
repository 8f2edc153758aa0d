namespace BlockQuant.Benchmarks.Accuracy;

/// <summary>Random matrices with the tails that weights and activations of language models have, from a seed.</summary>
internal static class SyntheticValues
{
    /// <summary>How many times as large an outlier column's values are, and how many columns have one of them.</summary>
    private const int OutlierFactor = 30, ColumnsAnOutlier = 128;

    /// <summary>Student's t; infinite degrees of freedom are the normal distribution, few are a heavy tail.</summary>
    public static float[] StudentT(int seed, int count, double degreesOfFreedom)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)StudentT(random, degreesOfFreedom);
        return values;
    }

    /// <summary>Normal values; one column in each 128, at a random place, is 30 times as large: what activations look like.</summary>
    public static float[] OutlierColumns(int seed, int rows, int columns)
    {
        var random = new Random(seed);
        var factors = new float[columns];
        Array.Fill(factors, 1);
        for (int start = 0; start < columns; start += ColumnsAnOutlier)
            factors[start + random.Next(Math.Min(ColumnsAnOutlier, columns - start))] = OutlierFactor;
        var values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)StudentT(random, double.PositiveInfinity) * factors[i % columns];
        return values;
    }

    // Bailey's polar form of Box and Muller's method (Mathematics of Computation 62, 1994).
    private static double StudentT(Random random, double degreesOfFreedom)
    {
        double u = 1 - random.NextDouble();
        double radius = double.IsInfinity(degreesOfFreedom)
            ? Math.Sqrt(-2 * Math.Log(u))
            : Math.Sqrt(degreesOfFreedom * (Math.Pow(u, -2 / degreesOfFreedom) - 1));
        return radius * Math.Cos(2 * Math.PI * random.NextDouble());
    }
}
