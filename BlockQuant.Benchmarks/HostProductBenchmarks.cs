using BenchmarkDotNet.Attributes;
using BlockQuant.Benchmarks.HostEngine;
using BlockQuant.Host;
using MathNet.Numerics.LinearAlgebra;

namespace BlockQuant.Benchmarks;

/// <summary>
/// Products C [M, N] = A [M, K] · B [N, K]ᵀ of the host engine, against the naive loop over the same codes, a float32 product of MathNet.Numerics'
/// managed provider, as many fused multiply-adds in registers on all cores, and one read of the weights.
/// </summary>
public class HostProductBenchmarks
{
    private const int N = 2048;
    private const int K = 2048;

    private readonly byte[] readTarget = new byte[N * K];
    private QuantizedMatrix float8A = null!;
    private QuantizedMatrix float8B = null!;
    private QuantizedMatrix int8A = null!;
    private QuantizedMatrix int8B = null!;
    private Matrix<float> singleA = null!;
    private Matrix<float> singleB = null!;
    private float[] output = [];

    [Params(1, 16, 128)]
    public int M { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        float8A = Codes(random, M, QuantizationScheme.Fp8TokenGroup128);
        float8B = Codes(random, N, QuantizationScheme.Fp8Block128);
        int8A = Codes(random, M, QuantizationScheme.Int8TokenGroup128);
        int8B = Codes(random, N, QuantizationScheme.Int8Block128);
        MathNet.Numerics.Control.UseManaged();
        singleA = Matrix<float>.Build.Dense(M, K, (row, column) => row - column);
        singleB = Matrix<float>.Build.Dense(N, K, (row, column) => row + column);
        output = new float[M * N];
    }

    [Benchmark(Baseline = true)]
    public void Float8() => HostMultiplication.Multiply<float>(float8A, float8B, output);

    [Benchmark]
    public void Int8() => HostMultiplication.Multiply<float>(int8A, int8B, output);

    /// <summary>The same FP8 product, one element after the other.</summary>
    [Benchmark]
    public void Float8Naive()
    {
        ReadOnlySpan<byte> a = float8A.Codes.Span;
        ReadOnlySpan<byte> b = float8B.Codes.Span;
        ReadOnlySpan<float> aScales = float8A.Scales.Span;
        ReadOnlySpan<float> bScales = float8B.Scales.Span;
        for (int row = 0; row < M; row++)
        {
            for (int column = 0; column < N; column++)
            {
                float sum = 0;
                for (int k = 0; k < K; k++)
                {
                    float scale = aScales[row * (K / 128) + k / 128] * bScales[column / 128 * (K / 128) + k / 128];
                    sum += Float8Codec.Decode(a[row * K + k]) * Float8Codec.Decode(b[column * K + k]) * scale;
                }

                output[row * N + column] = sum;
            }
        }
    }

    [Benchmark]
    public Matrix<float> MathNetSingle() => singleA.TransposeAndMultiply(singleB);

    /// <summary>The multiply-adds of the product without its memory: the peak of the cores.</summary>
    [Benchmark]
    public float PeakMultiplyAdds() => MachineLimits.MultiplyAdds((double)M * N * K);

    /// <summary>Copies as many bytes as the weights have, on all cores.</summary>
    [Benchmark]
    public void CopyOfWeights()
    {
        ReadOnlyMemory<byte> source = float8B.Codes;
        int share = source.Length / Environment.ProcessorCount;
        Parallel.For(0, Environment.ProcessorCount, core => source.Span.Slice(core * share, share).CopyTo(readTarget.AsSpan(core * share, share)));
    }

    private static QuantizedMatrix Codes(Random random, int rows, QuantizationScheme scheme)
    {
        byte[] codes = new byte[rows * K];
        random.NextBytes(codes);
        for (int i = 0; i < codes.Length; i++)
        {
            // No NaN of FP8.
            codes[i] = (byte)(codes[i] % 0x7F);
        }

        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, K);
        float[] scales = new float[scaleRows * scaleColumns];
        Array.Fill(scales, 0.01f);
        return new QuantizedMatrix(codes, rows, K, scales, scheme);
    }
}
