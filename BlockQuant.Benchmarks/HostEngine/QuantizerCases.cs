using BlockQuant.Host;

namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>The quantizers and dequantizers over a matrix [4096, 7168], which no cache holds.</summary>
internal sealed class QuantizerCases
{
    public const int Rows = 4096;
    public const int Columns = 7168;

    private static readonly (string Name, QuantizationScheme Scheme)[] Schemes =
    [
        ("FP8 1×128", QuantizationScheme.Fp8TokenGroup128),
        ("FP8 128×128", QuantizationScheme.Fp8Block128),
        ("FP8 tensor", QuantizationScheme.Fp8Tensor),
        ("INT8 1×128", QuantizationScheme.Int8TokenGroup128),
    ];

    private readonly float[] single = new float[Rows * Columns];
    private readonly BFloat16[] bfloat16 = new BFloat16[Rows * Columns];
    private readonly byte[] codes = new byte[Rows * Columns];

    public QuantizerCases()
    {
        var random = new Random(1);
        for (int i = 0; i < single.Length; i++)
        {
            single[i] = random.NextSingle() - 0.5f;
            bfloat16[i] = (BFloat16)single[i];
        }
    }

    public IEnumerable<HostCase> All() => Schemes.SelectMany(scheme => Of(scheme.Name, scheme.Scheme, single, 4).Concat(Of(scheme.Name, scheme.Scheme, bfloat16, 2)));

    private IEnumerable<HostCase> Of<T>(string name, QuantizationScheme scheme, T[] values, int size)
        where T : unmanaged
    {
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(Rows, Columns);
        var scales = new float[scaleRows * scaleColumns];
        double read = (double)size * values.Length;
        double moved = read + codes.Length + 4.0 * scales.Length;

        // A tensor's scale is known only when all of it has been read.
        bool twice = scheme.Granularity == ScaleGranularity.Tensor;
        var output = new T[values.Length];
        yield return new HostCase(
            $"quantize {typeof(T).Name}, {name}", 0, twice ? moved + read : moved, () => HostQuantization.Quantize<T>(values, Rows, Columns, scheme, codes, scales));
        yield return new HostCase(
            $"dequantize to {typeof(T).Name}, {name}", 0, moved, () => HostQuantization.Dequantize<T>(codes, scales, Rows, Columns, scheme, output));
    }
}
