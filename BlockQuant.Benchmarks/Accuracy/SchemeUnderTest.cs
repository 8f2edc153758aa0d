using BlockQuant.Reference;

namespace BlockQuant.Benchmarks.Accuracy;

/// <summary>A way to quantize a matrix, under the name that the document gives it.</summary>
internal sealed record SchemeUnderTest(string Name, QuantizationScheme Scheme, RoundingMode Rounding = RoundingMode.Nearest)
{
    public static IReadOnlyList<SchemeUnderTest> OfWeights { get; } =
    [
        new("FP8, tensor", QuantizationScheme.Fp8Tensor),
        new("FP8, channel", QuantizationScheme.Fp8Channel),
        new("FP8, 128×128 block", QuantizationScheme.Fp8Block128),
        new("INT8, tensor", new(ElementFormat.Int8, ScaleGranularity.Tensor)),
        new("INT8, channel", new(ElementFormat.Int8, ScaleGranularity.Channel)),
        new("INT8, 128×128 block", QuantizationScheme.Int8Block128),
        new("INT8, 128×128 block, toward zero", QuantizationScheme.Int8Block128, RoundingMode.ReferenceCompatible),
        new("INT8, 1×128 group", QuantizationScheme.Int8TokenGroup128),
    ];

    /// <summary>Activations and the weights they are multiplied by.</summary>
    public static IReadOnlyList<(SchemeUnderTest Activations, SchemeUnderTest Weights)> OfProducts { get; } =
    [
        (new("FP8, tensor", QuantizationScheme.Fp8Tensor), OfWeights[0]),
        (new("FP8, token", QuantizationScheme.Fp8Token), OfWeights[1]),
        (new("FP8, 1×128 group", QuantizationScheme.Fp8TokenGroup128), OfWeights[2]),
        (new("INT8, tensor", new(ElementFormat.Int8, ScaleGranularity.Tensor)), OfWeights[3]),
        (new("INT8, token", new(ElementFormat.Int8, ScaleGranularity.Token)), OfWeights[4]),
        (new("INT8, 1×128 group", QuantizationScheme.Int8TokenGroup128), OfWeights[5]),
        (new("INT8, 1×128 group, toward zero", QuantizationScheme.Int8TokenGroup128, RoundingMode.ReferenceCompatible), OfWeights[6]),
    ];

    public QuantizedMatrix Quantize(float[] values, int rows, int columns) => Scheme.Format == ElementFormat.Float8E4M3
        ? ReferenceOperators.QuantizeFp8(values, rows, columns, Scheme)
        : ReferenceOperators.QuantizeInt8(values, rows, columns, Scheme, Rounding);

    /// <summary>Bits that one value takes, its part of the scales included.</summary>
    public double BitsAValue(int rows, int columns)
    {
        var (scaleRows, scaleColumns) = Scheme.ScaleShape(rows, columns);
        return 8 + 32.0 * scaleRows * scaleColumns / ((double)rows * columns);
    }
}
