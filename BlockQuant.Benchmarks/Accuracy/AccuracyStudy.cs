using BlockQuant.Reference;

namespace BlockQuant.Benchmarks.Accuracy;

/// <summary>Relative errors ‖found − exact‖ / ‖exact‖ of quantized matrices and of their products, in float64.</summary>
internal sealed class AccuracyStudy
{
    public const int Rows = 1024, Columns = 2048, Tokens = 64;

    /// <summary>Degrees of freedom of Student's t, the heaviest tail first.</summary>
    public static readonly double[] Tails = [2.5, 3, 4, 6, 10, 30, double.PositiveInfinity];

    private const int WeightSeed = 1, ActivationSeed = 2;

    private readonly Dictionary<double, float[]> weights = Tails.ToDictionary(tail => tail, tail => SyntheticValues.StudentT(WeightSeed, Rows * Columns, tail));

    public double WeightError(SchemeUnderTest scheme, double tail)
    {
        float[] exact = weights[tail];
        return RelativeError(ReferenceOperators.Dequantize(scheme.Quantize(exact, Rows, Columns)), Array.ConvertAll(exact, value => (double)value));
    }

    /// <summary>The error of activations · weightsᵀ where both are quantized.</summary>
    public double ProductError(SchemeUnderTest activations, SchemeUnderTest weight, double tail, bool outlierColumns)
    {
        float[] x = outlierColumns
            ? SyntheticValues.OutlierColumns(ActivationSeed, Tokens, Columns)
            : SyntheticValues.StudentT(ActivationSeed, Tokens * Columns, double.PositiveInfinity);
        double[] found = ReferenceOperators.Multiply(activations.Quantize(x, Tokens, Columns), weight.Quantize(weights[tail], Rows, Columns));
        return RelativeError(found, Exact(x, weights[tail]));
    }

    private static double[] Exact(float[] x, float[] weight)
    {
        var result = new double[Tokens * Rows];
        Parallel.For(0, Tokens, token =>
        {
            for (int row = 0; row < Rows; row++)
            {
                double sum = 0;
                for (int k = 0; k < Columns; k++)
                    sum += (double)x[token * Columns + k] * weight[row * Columns + k];
                result[token * Rows + row] = sum;
            }
        });
        return result;
    }

    private static double RelativeError(double[] found, double[] exact)
    {
        double difference = 0, norm = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            difference += (found[i] - exact[i]) * (found[i] - exact[i]);
            norm += exact[i] * exact[i];
        }
        return Math.Sqrt(difference / norm);
    }
}
