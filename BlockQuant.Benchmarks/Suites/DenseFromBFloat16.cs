using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>
/// The dense suite's product from bf16 activations: what quantizes them and the matmul, as one sequence, and for few tokens the kernel that
/// does both. The peers' times of the same shapes are of codes that somebody else has quantized.
/// </summary>
internal static class DenseFromBFloat16
{
    private const int CheckedRows = 64, ManyTokens = 1024;
    private static readonly (int N, int K)[] Shapes = [(7168, 2048), (24576, 1536), (4096, 4096)];
    private static readonly (int N, int K)[] FewTokenShapes = [(7168, 2048), (4096, 7168), (2112, 7168), (24576, 1536), (7168, 16384)];

    /// <summary>Tokens that are timed where none are named.</summary>
    public static IReadOnlyList<int> Tokens { get; } = [1, 8, 16, 32, 64, 4096];

    public static IEnumerable<SuiteResult> Run(GpuTimer timer, IReadOnlyList<int> tokens)
        => tokens.SelectMany(m => (m < ManyTokens ? FewTokenShapes : Shapes).SelectMany(shape => Run(timer, m, shape.N, shape.K)));

    private static IEnumerable<SuiteResult> Run(GpuTimer timer, int m, int n, int k)
    {
        using var problem = new DenseProblem(timer, m, n, k, OutputType.BFloat16, columnMajorScales: false, rotate: true);
        var plan = HopperScheduler.Plan(m, n, k, timer.Multiprocessors);
        // Before the quantizer replaces the codes that the samples were computed from.
        double error = problem.Error(plan);
        var operands = new RandomOperands();
        ushort[] values = Values(m * k);
        IntPtr source = operands.Upload(values, timer.Stream);
        VectorKernel quantizer = VectorKernel.Of<BFloat16Element, Float8Format>.QuantizeGroups;
        VectorOperands quantization = Quantization(problem, source);
        void Separate(int turn)
        {
            VectorKernels.Current.Launch(quantizer, quantization, timer.Stream);
            // As the operators launch it where nobody has promised that the weights are constant.
            HopperKernels.Current.Matmul(problem.Call(plan, turn) with { ConstantWeights = false }, timer.Stream);
        }

        void Fused(int turn)
        {
            var call = problem.Call(plan, turn) with { Activations = source, ConstantWeights = false, QuantizesActivations = true };
            HopperKernels.Current.Matmul(call, timer.Stream);
        }

        string name = $"{plan.Kind} {plan.TileM}x{plan.TileN} split {plan.SplitK}";
        byte[] output = problem.Output(() => Separate(0));
        Verify(values, problem, timer.Stream);
        yield return Time(timer, problem, Separate, $"quantizer and {name}", error);
        if (HopperScheduler.CanQuantize(plan))
        {
            if (!problem.Output(() => Fused(0)).AsSpan().SequenceEqual(output))
                throw new InvalidOperationException($"{m} x {n} x {k}, {name}: quantizing inside gives other bits than a quantizer.");
            yield return Time(timer, problem, Fused, $"{name} quantizing", error);
        }
        operands.Free();
    }

    private static SuiteResult Time(GpuTimer timer, DenseProblem problem, Action<int> launch, string variant, double error)
    {
        var (m, n, k) = (problem.M, problem.N, problem.K);
        double spaced = timer.Spaced(launch);
        return new SuiteResult("dense-bf16", m, n, k, variant)
        {
            Error = error,
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = timer.Sustained(launch, Math.Max(problem.WeightCopies, spaced < 100 ? 20 : 4)),
            Operations = 2.0 * m * n * k,
            Bytes = (double)n * k + 2.0 * m * k + 2.0 * m * n,
        };
    }

    private static VectorOperands Quantization(DenseProblem problem, IntPtr source)
    {
        long length = (long)problem.M * problem.K;
        return new VectorOperands
        {
            Source = source,
            SourceVectors = length / 8,
            Output = problem.Activations,
            OutputVectors = length / 16,
            OutputScales = problem.ActivationScales,
            OutputScaleCount = length / 128,
            Columns = problem.K,
            Length = length,
        };
    }

    private static void Verify(ushort[] values, DenseProblem problem, IntPtr stream)
    {
        int rows = Math.Min(problem.M, CheckedRows), k = problem.K;
        var elements = Array.ConvertAll(values[..(rows * k)], value => BFloat16Codec.Decode(value));
        var expected = ReferenceOperators.QuantizeFp8(elements, rows, k, QuantizationScheme.Fp8TokenGroup128);
        byte[] codes = RandomOperands.Download<byte>(problem.Activations, rows * k, stream);
        float[] scales = RandomOperands.Download<float>(problem.ActivationScales, rows * k / 128, stream);
        if (!codes.AsSpan().SequenceEqual(expected.Codes.Span) || !scales.AsSpan().SequenceEqual(expected.Scales.Span))
            throw new InvalidOperationException($"{problem.M} x {k}: the quantizer's codes or scales differ from the reference.");
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
