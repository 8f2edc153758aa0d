using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <content>The INT8 kernels.</content>
internal sealed partial class HopperKernelTests
{
    [TestCase(128, 130, 264, 272, OutputType.BFloat16, 8, false)]
    [TestCase(192, 20, 385, 384, OutputType.Single, 3, true)]
    [TestCase(256, 65, 248, 144, OutputType.Half, 8, true)]
    public void Int8_prefill_is_exact(int tileN, int m, int n, int k, OutputType output, int padding, bool bias) =>
        IsExact(Int8Problem(HopperKernelKind.Prefill, 128, tileN, 1, m, n, k, bias) with { Output = output, OutputPadding = padding }, 1);

    // As FP8's: without a split the ring of stages is lapped; with one, parts of K differ in length.
    [TestCase(8, 5, 200, 1040, 1, OutputType.BFloat16, 8, true)]
    [TestCase(8, 9, 131, 400, 4, OutputType.Single, 1, true)]
    [TestCase(16, 17, 129, 384, 2, OutputType.Half, 3, false)]
    [TestCase(32, 30, 140, 1000, 4, OutputType.Half, 4, true)]
    [TestCase(64, 33, 70, 300, 2, OutputType.BFloat16, 2, true)]
    [TestCase(128, 130, 128, 1050, 2, OutputType.Single, 8, true)]
    public void Int8_decode_is_exact(int tokens, int m, int n, int k, int split, OutputType output, int padding, bool bias) =>
        IsExact(Int8Problem(HopperKernelKind.Decode, tokens, 128, split, m, n, k, bias) with { Output = output, OutputPadding = padding }, 1);

    // Rows of codes let 16 bytes (from decode 4) be stored at a time, or not.
    [TestCase(HopperKernelKind.Prefill, 128, 128, 1, 70, 384, 400, 16, true, false)]
    [TestCase(HopperKernelKind.Prefill, 128, 256, 1, 130, 400, 128, 0, false, true)]
    [TestCase(HopperKernelKind.Prefill, 128, 128, 1, 9, 200, 256, 8, true, true)]
    [TestCase(HopperKernelKind.Decode, 8, 128, 1, 5, 200, 1040, 8, true, false)]
    [TestCase(HopperKernelKind.Decode, 16, 128, 4, 17, 131, 400, 1, false, true)]
    [TestCase(HopperKernelKind.Decode, 64, 128, 2, 60, 256, 272, 4, true, true)]
    [TestCase(HopperKernelKind.Decode, 128, 128, 4, 129, 130, 600, 1, true, false)]
    public void Int8_is_quantized_exactly(
        HopperKernelKind kind, int tileM, int tileN, int split, int m, int n, int k, int padding, bool bias, bool nearest)
    {
        HopperProblem problem = Int8Problem(kind, tileM, tileN, split, m, n, k, bias) with { OutputPadding = padding };
        var (codes, scales) = Quantized(problem, nearest);

        float[] values = problem.Unrounded();
        int groups = problem.WeightBlocks;
        for (int group = 0; group < m * groups; group++)
        {
            int row = group / groups, first = group % groups * 128, count = Math.Min(128, n - first);
            float[] part = values.AsSpan(row * n + first, count).ToArray();
            float scale = MathF.Max(part.Max(MathF.Abs) * (1f / 127), 1e-8f);
            scales[group].Should().Be(scale);
            codes.AsSpan(row * problem.OutputPitch + first, count).ToArray().Should().Equal(
                part.Select(value => (byte)(sbyte)(nearest ? MathF.Round(value / scale) : value / scale)), "group {0}", group);
        }
        codes.Where((_, i) => i % problem.OutputPitch >= n || i / problem.OutputPitch >= m).Should().OnlyContain(code => code == Untouched);
    }

    [TestCase(HopperKernelKind.Prefill, 128, 256)]
    [TestCase(HopperKernelKind.Decode, 8, 128)]
    public void A_group_with_a_NaN_has_scale_NaN_and_codes_0(HopperKernelKind kind, int tileM, int tileN)
    {
        HopperProblem problem = Int8Problem(kind, tileM, tileN, 1, 3, 200, 128, bias: true);
        problem.Bias[150] = float.NaN;

        var (codes, scales) = Quantized(problem, nearest: false);

        for (int row = 0; row < problem.M; row++)
        {
            scales[2 * row].Should().BePositive();
            scales[2 * row + 1].Should().Be(float.NaN);
            codes.AsSpan(row * problem.OutputPitch + 128, 72).ToArray().Should().OnlyContain(code => code == 0);
        }
    }

    private static HopperProblem Int8Problem(HopperKernelKind kind, int tileM, int tileN, int split, int m, int n, int k, bool bias) =>
        new(new HopperPlan(kind, tileM, tileN, split, 2), m, n, k, OutputType.Single)
        {
            IsInt8 = true,
            Bias = bias ? RandomData.Normal(new Random(5), n) : [],
        };

    // The codes' rows and one more, padding and all, and the scales.
    private (byte[] Codes, float[] Scales) Quantized(HopperProblem problem, bool nearest)
    {
        ArrayView<byte> codes = Upload(Enumerable.Repeat(Untouched, (problem.M + 1) * problem.OutputPitch).ToArray());
        ArrayView<float> scales = Upload(new float[problem.M * problem.WeightBlocks]);
        Int8MatmulCall call = Int8Call(problem, Call(problem, codes.LoadEffectiveAddressAsPtr()));
        new EmulatedHopper(Accelerator, 2).Matmul(call with { OutputScales = scales.LoadEffectiveAddressAsPtr(), Nearest = nearest });
        return (Download(codes), Download(scales));
    }

    private Int8MatmulCall Int8Call(HopperProblem problem, MatmulCall product) => new()
    {
        Product = product,
        Bias = problem.Bias.Length > 0 ? Upload(problem.Bias).LoadEffectiveAddressAsPtr() : 0,
    };
}
