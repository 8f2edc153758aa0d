using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Emulator;

/// <summary>The kernel that quantizes its activations, on the emulator: the bits of the quantizer and the kernel that takes its codes.</summary>
internal sealed class FusedDecodeTests : EmulatorFixture
{
    private const byte Untouched = 0xA5;

    // Without a split the ring of stages is lapped; with one, parts of K differ in length. Tokens end inside a tile, in a second one and
    // on its edge; K inside a block, at a block's end, and inside the only block.
    [TestCase(8, 128, 5, 200, 1040, 1, OutputType.BFloat16)]
    [TestCase(8, 128, 1, 130, 256, 2, OutputType.Single)]
    [TestCase(8, 128, 11, 64, 48, 1, OutputType.Half)]
    [TestCase(16, 128, 16, 256, 1936, 1, OutputType.BFloat16)]
    [TestCase(16, 128, 9, 129, 640, 4, OutputType.Single)]
    [TestCase(16, 128, 19, 140, 1000, 1, OutputType.Half)]
    [TestCase(8, 64, 5, 140, 2500, 1, OutputType.BFloat16)]
    [TestCase(8, 64, 8, 64, 600, 2, OutputType.Single)]
    [TestCase(16, 64, 13, 130, 3000, 1, OutputType.Half)]
    [TestCase(16, 64, 16, 72, 1100, 4, OutputType.BFloat16)]
    public void Products_are_those_of_the_quantizers_codes(int tokens, int tileN, int m, int n, int k, int split, OutputType output)
        => IsSameAsQuantized(
            new HopperProblem(new HopperPlan(HopperKernelKind.Decode, tokens, tileN, split, 1), m, n, Aligned(k), output), Values(m, Aligned(k)));

    // The floor of the scales, the largest values there are, and groups that are not finite.
    [Test]
    public void Groups_of_zeros_and_of_what_is_not_finite_are_quantized_as_elsewhere()
    {
        const int M = 7, K = 400;
        float[] values = Values(M, K);
        values.AsSpan(0, 128).Clear();
        values.AsSpan(K, 128).Fill(1e-38f);
        values[K + 130] = float.PositiveInfinity;
        values[2 * K + 5] = float.NaN;
        values[3 * K + 255] = float.NegativeInfinity;
        values[3 * K + 256] = float.NaN;
        values[4 * K + 399] = 3.3895314e38f;
        values[5 * K + 1] = -0f;
        var plan = new HopperPlan(HopperKernelKind.Decode, 8, 128, 2, 1);

        IsSameAsQuantized(new HopperProblem(plan, M, 136, K, OutputType.Single), values);
    }

    [Test]
    public void Reading_behind_the_activations_is_a_fault()
    {
        var problem = new HopperProblem(new HopperPlan(HopperKernelKind.Decode, 8, 128, 1, 1), 3, 40, 128, OutputType.Single);
        MatmulCall call = Call(problem, Upload(Bits(Values(3, 128))).LoadEffectiveAddressAsPtr());

        // A kernel that read 128 elements of every row would leave the last one.
        Run(problem, call with { K = 112, ActivationPitch = 112 });
        var fault = Assert.Throws<EmulatorFaultException>(() => Run(problem, call with { ActivationPitch = 112 }))!;

        fault.KernelName.Should().Be("fused_decode_8");
    }

    [TestCase(32, HopperKernelKind.Decode)]
    [TestCase(128, HopperKernelKind.Prefill)]
    public void Other_tiles_have_no_such_kernel(int tokens, HopperKernelKind kind)
    {
        var problem = new HopperProblem(new HopperPlan(kind, tokens, 128, 1, 1), 3, 40, 128, OutputType.Single);

        FluentActions.Invoking(() => HopperKernel.IndexOf(Call(problem, 0))).Should().Throw<ArgumentException>().WithMessage("*that quantizes*");
    }

    private void IsSameAsQuantized(HopperProblem problem, float[] values)
    {
        QuantizedMatrix codes = ReferenceOperators.QuantizeFp8(values, problem.M, problem.K, QuantizationScheme.Fp8TokenGroup128);
        MatmulCall quantized = Call(problem, Upload(codes.Codes.ToArray()).LoadEffectiveAddressAsPtr()) with
        {
            QuantizesActivations = false,
            ActivationScales = Upload(codes.Scales.ToArray()).LoadEffectiveAddressAsPtr(),
        };
        byte[] expected = Run(problem, quantized);

        byte[] found = Run(problem, Call(problem, Upload(Bits(values)).LoadEffectiveAddressAsPtr()));

        found.Should().Equal(expected);
        expected.Should().Contain(value => value != Untouched);
    }

    private byte[] Run(HopperProblem problem, MatmulCall call)
    {
        var output = Upload(Enumerable.Repeat(Untouched, problem.M * problem.OutputPitch * problem.ElementBytes).ToArray());
        new EmulatedHopper(Accelerator, 1).Matmul(call with { Output = output.LoadEffectiveAddressAsPtr() });
        return Download(output);
    }

    private MatmulCall Call(HopperProblem problem, IntPtr activations) => new()
    {
        Plan = problem.Plan,
        M = problem.M,
        N = problem.N,
        K = problem.K,
        Activations = activations,
        ActivationPitch = problem.K,
        ActivationScales = 0,
        ScaleRowStride = problem.Blocks,
        ScaleBlockStride = 1,
        Weights = Upload(problem.Weights).LoadEffectiveAddressAsPtr(),
        WeightPitch = problem.CodePitch,
        WeightScales = Upload(problem.WeightScales).LoadEffectiveAddressAsPtr(),
        Output = 0,
        OutputPitch = problem.OutputPitch,
        OutputType = problem.Output,
        ConstantWeights = problem.M % 2 == 0,
        QuantizesActivations = true,
    };

    // The copy engine demands rows of a multiple of 16 codes.
    private static int Aligned(int columns) => columns / 16 * 16;

    // Values that bfloat16 has.
    private static float[] Values(int rows, int columns)
        => Array.ConvertAll(RandomData.Normal(new Random(rows + columns), rows * columns), value => BFloat16Codec.Decode(BFloat16Codec.Encode(value)));

    private static ushort[] Bits(float[] values) => Array.ConvertAll(values, value => (ushort)BFloat16Codec.Encode(value));
}
