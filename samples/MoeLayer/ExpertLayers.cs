using BlockQuant.Reference;

namespace BlockQuant.Samples;

/// <summary>The FP8 weights of all experts.</summary>
internal static class ExpertLayers
{
    public static QuantizedMatrix[] Random(Random random, int experts, int rows, int columns)
    {
        var weights = new QuantizedMatrix[experts];
        for (int expert = 0; expert < experts; expert++)
        {
            float[] values = Samples.Normal(random, rows * columns, 1 / Math.Sqrt(columns));
            weights[expert] = ReferenceOperators.QuantizeFp8(values, rows, columns, QuantizationScheme.Fp8Block128);
        }

        return weights;
    }

    /// <summary>One allocation of codes [experts, rows, columns] and one of scales, as the grouped product takes them, filled expert by expert.</summary>
    public static ExpertWeights<Float8E4M3> Upload(ComputeDevice device, QuantizedMatrix[] experts)
    {
        var weights = new ExpertWeights<Float8E4M3>(device, experts.Length, experts[0].Rows, experts[0].Columns, experts[0].Scheme);
        for (int expert = 0; expert < experts.Length; expert++)
        {
            weights.CopyFrom(expert, experts[expert]);
        }

        return weights;
    }
}
