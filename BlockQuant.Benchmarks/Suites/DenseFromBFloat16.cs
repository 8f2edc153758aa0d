using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>
/// The dense suite's product of many tokens from bf16 activations: what quantizes them and the matmul, as one sequence. The peers' times
/// of the same shapes are of codes that somebody else has quantized.
/// </summary>
internal static class DenseFromBFloat16
{
    private const int Tokens = 4096, CheckedRows = 64;
    private static readonly (int N, int K)[] Shapes = [(7168, 2048), (24576, 1536), (4096, 4096)];

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        foreach (var (n, k) in Shapes)
        {
            using var problem = new DenseProblem(timer, Tokens, n, k, OutputType.BFloat16, columnMajorScales: false, rotate: true);
            var plan = HopperScheduler.Plan(Tokens, n, k, timer.Multiprocessors);
            // Before the quantizer replaces the codes that the samples were computed from.
            double error = problem.Error(plan);
            var operands = new RandomOperands();
            ushort[] values = Values(Tokens * k);
            long length = (long)Tokens * k;
            var quantization = new VectorOperands
            {
                Source = operands.Upload(values, timer.Stream),
                SourceVectors = length / 8,
                Output = problem.Activations,
                OutputVectors = length / 16,
                OutputScales = problem.ActivationScales,
                OutputScaleCount = length / 128,
                Columns = k,
                Length = length,
            };
            VectorKernel quantizer = VectorKernel.Of<BFloat16Element, Float8Format>.QuantizeGroups;
            VectorKernels.Current.Launch(quantizer, quantization, timer.Stream);
            Verify(values, problem, timer.Stream);
            void Launch(int turn)
            {
                VectorKernels.Current.Launch(quantizer, quantization, timer.Stream);
                problem.Launch(plan, turn);
            }

            double spaced = timer.Spaced(Launch), sustained = timer.Sustained(Launch, Math.Max(problem.WeightCopies, 4));
            operands.Free();
            yield return new SuiteResult("dense-bf16", Tokens, n, k, $"quantizer and {plan.Kind} {plan.TileM}x{plan.TileN}")
            {
                Error = error,
                SpacedMicroseconds = spaced,
                SustainedMicroseconds = sustained,
                Operations = 2.0 * Tokens * n * k,
                Bytes = (double)n * k + 2.0 * length + 2.0 * Tokens * n,
            };
        }
    }

    private static void Verify(ushort[] values, DenseProblem problem, IntPtr stream)
    {
        int k = problem.K;
        var rows = Array.ConvertAll(values[..(CheckedRows * k)], value => BFloat16Codec.Decode(value));
        var expected = ReferenceOperators.QuantizeFp8(rows, CheckedRows, k, QuantizationScheme.Fp8TokenGroup128);
        byte[] codes = RandomOperands.Download<byte>(problem.Activations, CheckedRows * k, stream);
        float[] scales = RandomOperands.Download<float>(problem.ActivationScales, CheckedRows * k / 128, stream);
        if (!codes.AsSpan().SequenceEqual(expected.Codes.Span) || !scales.AsSpan().SequenceEqual(expected.Scales.Span))
            throw new InvalidOperationException($"{Tokens} x {k}: the quantizer's codes or scales differ from the reference.");
    }

    private static ushort[] Values(int count)
    {
        var random = new Random(7);
        var values = new ushort[count];
        for (int i = 0; i < count; i++)
            values[i] = (ushort)BFloat16Codec.Encode((float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5));
        return values;
    }
}
