using BlockQuant.Host;

namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>C [M, 4096] = A [M, 7168] · B [4096, 7168]ᵀ, float32 output, 1×128 and 128×128 scale blocks.</summary>
internal static class ProductCases
{
    public const int N = 4096;
    public const int K = 7168;

    /// <summary>Weights that calls take in turn, so that they come from memory: one matrix alone would nearly fit the caches.</summary>
    private const int Matrices = 5;

    private static readonly int[] Rows = [1, 4, 16, 64, 128, 256, 512];

    public static IEnumerable<HostCase> All()
        => Of("FP8", QuantizationScheme.Fp8TokenGroup128, QuantizationScheme.Fp8Block128)
            .Concat(Of("INT8", QuantizationScheme.Int8TokenGroup128, QuantizationScheme.Int8Block128));

    private static IEnumerable<HostCase> Of(string name, QuantizationScheme activations, QuantizationScheme weights)
    {
        var random = new Random(1);
        QuantizedMatrix[] right = Enumerable.Range(0, Matrices).Select(_ => RandomCodes.Matrix(random, N, K, weights)).ToArray();
        foreach (int m in Rows)
        {
            yield return Of($"{name}, M = {m}", m, 1);
            if (m == 1)
            {
                // One product takes hardly longer than another core takes to wake; layers follow each other, and a copy moves as many bytes.
                yield return Of($"{name}, M = 1, {Matrices} in a row", m, Matrices);
            }
        }

        HostCase Of(string caseName, int m, int products)
        {
            QuantizedMatrix left = RandomCodes.Matrix(random, m, K, activations);
            var output = new float[m * N];
            int turn = 0;
            return new HostCase(
                caseName,
                2.0 * m * N * K * products,
                ((double)N * K + (double)m * K + 4.0 * m * N) * products,
                () =>
                {
                    for (int i = 0; i < products; i++)
                        HostMultiplication.Multiply<float>(left, right[turn++ % Matrices], output);
                });
        }
    }
}
