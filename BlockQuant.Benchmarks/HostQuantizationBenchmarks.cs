using BenchmarkDotNet.Attributes;
using BlockQuant.Host;

namespace BlockQuant.Benchmarks;

/// <summary>The host quantizers on a matrix larger than the caches, against copies of as many bytes as they read and write.</summary>
public class HostQuantizationBenchmarks
{
    private const int Rows = 4096;
    private const int Columns = 4096;

    private readonly float[] single = new float[Rows * Columns];
    private readonly BFloat16[] bfloat16 = new BFloat16[Rows * Columns];
    private readonly byte[] codes = new byte[Rows * Columns];
    private readonly float[] scales = new float[Rows * Columns / 128];
    private readonly byte[] copied = new byte[Rows * Columns * 5 / 2];
    private readonly byte[] copy = new byte[Rows * Columns * 5 / 2];

    private static QuantizationScheme Tokens => QuantizationScheme.Fp8TokenGroup128;

    private static QuantizationScheme Blocks => QuantizationScheme.Fp8Block128;

    private Span<float> BlockScales => scales.AsSpan(0, Rows / 128 * (Columns / 128));

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        for (int i = 0; i < single.Length; i++)
        {
            single[i] = random.NextSingle() - 0.5f;
            bfloat16[i] = (BFloat16)single[i];
        }
    }

    /// <summary>What a float32 quantizer reads and writes, 5 bytes an element.</summary>
    [Benchmark(Baseline = true)]
    public void CopyOfSingle() => Copy(copied.Length);

    [Benchmark]
    public void CopyOfBFloat16() => Copy(copied.Length * 3 / 5);

    [Benchmark]
    public void QuantizeTokensOfSingle() => HostQuantization.Quantize<float>(single, Rows, Columns, Tokens, codes, scales);

    [Benchmark]
    public void QuantizeTokensOfBFloat16() => HostQuantization.Quantize<BFloat16>(bfloat16, Rows, Columns, Tokens, codes, scales);

    [Benchmark]
    public void QuantizeBlocksOfSingle() => HostQuantization.Quantize<float>(single, Rows, Columns, Blocks, codes, BlockScales);

    [Benchmark]
    public void QuantizeBlocksOfBFloat16() => HostQuantization.Quantize<BFloat16>(bfloat16, Rows, Columns, Blocks, codes, BlockScales);

    [Benchmark]
    public void DequantizeTokensToSingle() => HostQuantization.Dequantize<float>(codes, scales, Rows, Columns, Tokens, single);

    [Benchmark]
    public void DequantizeTokensToBFloat16() => HostQuantization.Dequantize<BFloat16>(codes, scales, Rows, Columns, Tokens, bfloat16);

    private void Copy(int bytes)
    {
        int share = bytes / Environment.ProcessorCount;
        Parallel.For(0, Environment.ProcessorCount, core => copied.AsSpan(core * share, share).CopyTo(copy.AsSpan(core * share, share)));
    }
}
