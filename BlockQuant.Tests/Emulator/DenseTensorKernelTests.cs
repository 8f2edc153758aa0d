using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.TensorCores.Dense;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>The dense product on warp-level tensor cores, run by the emulator: exact, as <see cref="HopperProblem"/> explains.</summary>
internal sealed class DenseTensorKernelTests : EmulatorFixture
{
    private const byte Untouched = 0xA5;

    // What a problem needs of a plan: a depth that is not split.
    private static readonly HopperPlan Whole = new(HopperKernelKind.Decode, 16, 128, 1, 1);

    // One tile and several; edges are ragged in M, N and K; the ring of three stages is not filled, filled and lapped; rows of the output
    // let 16 bytes be stored at a time or not.
    [TestCase(KernelFamily.TensorFloat8, 64, 1, 8, 16, OutputType.Single)]
    [TestCase(KernelFamily.TensorFloat8, 64, 65, 131, 272, OutputType.BFloat16)]
    [TestCase(KernelFamily.TensorFloat8, 64, 130, 264, 656, OutputType.Half)]
    [TestCase(KernelFamily.TensorFloat8, 16, 16, 128, 128, OutputType.Half)]
    [TestCase(KernelFamily.TensorFloat8, 16, 5, 385, 144, OutputType.BFloat16)]
    [TestCase(KernelFamily.TensorFloat8, 16, 33, 72, 1040, OutputType.Single)]
    [TestCase(KernelFamily.TensorFloat16, 64, 64, 128, 384, OutputType.BFloat16)]
    [TestCase(KernelFamily.TensorFloat16, 64, 20, 201, 528, OutputType.Single)]
    [TestCase(KernelFamily.TensorFloat16, 16, 1, 250, 640, OutputType.Half)]
    [TestCase(KernelFamily.TensorFloat16, 16, 17, 136, 400, OutputType.BFloat16)]
    public void Products_are_exact(KernelFamily family, int tileM, int m, int n, int k, OutputType output)
    {
        HopperProblem problem = Problem(m, n, k, output);

        Run(problem, new DenseTensorPlan(family, tileM)).Should().Equal(problem.Expected());
    }

    [TestCase(KernelFamily.TensorFloat8, 64, OutputType.Single, 1e-6)]
    [TestCase(KernelFamily.TensorFloat16, 16, OutputType.BFloat16, 3e-3)]
    public void Results_are_the_references(KernelFamily family, int tileM, OutputType output, double tolerance)
    {
        HopperProblem problem = Problem(40, 170, 400, output) with { LargestCode = 448 };
        (QuantizedMatrix activations, QuantizedMatrix weights) = problem.Matrices;

        Compare.RelativeError(Run(problem, new DenseTensorPlan(family, tileM)), ReferenceOperators.Multiply(activations, weights))
            .Should().BeLessThan(tolerance);
    }

    [Test]
    public void Every_tile_gives_the_same_bits_on_one_thread_and_on_two()
    {
        HopperProblem problem = Problem(30, 140, 528, OutputType.Single) with { LargestCode = 448 };
        float[] first = Run(problem, new DenseTensorPlan(KernelFamily.TensorFloat8, 64));

        Accelerator = new EmulatorAccelerator(new EmulatorOptions { MaxThreads = 1 });

        Run(problem, new DenseTensorPlan(KernelFamily.TensorFloat16, 16)).Should().Equal(first);
    }

    [Test]
    public void Codes_that_are_no_number_spoil_their_rows_and_columns_alone()
    {
        const int M = 20, N = 40, K = 144, Row = 17, Column = 33;
        HopperProblem problem = Problem(M, N, K, OutputType.Single);
        byte[] activations = problem.Activations, weights = problem.Weights;
        activations[Row * K + 130] = 0x7F;
        weights[Column * K + 2] = 0xFF;
        ArrayView<float> output = Upload(new float[M * N]);

        Launch(
            Call(problem, output.LoadEffectiveAddressAsPtr()) with
            {
                Activations = Upload(activations).LoadEffectiveAddressAsPtr(),
                Weights = Upload(weights).LoadEffectiveAddressAsPtr(),
            },
            new DenseTensorPlan(KernelFamily.TensorFloat16, 16));

        float[] expected = problem.Expected();
        Download(output).Should().Equal(expected.Select((value, i) => i / N == Row || i % N == Column ? float.NaN : value));
    }

    [Test]
    public void Neighbours_are_written_at_once_only_where_rows_allow()
    {
        HopperProblem problem = Problem(3, 37, 16, OutputType.Single);
        DenseCall call = Call(problem, Allocate<float>(3 * 37).LoadEffectiveAddressAsPtr()) with { Vector = 1 };

        var fault = Assert.Throws<EmulatorFaultException>(() => Launch(call, new DenseTensorPlan(KernelFamily.TensorFloat8, 16)))!;

        fault.FaultKind.Should().Be(FaultKind.MisalignedAccess);
        fault.KernelName.Should().Be("dense_float8_16");
    }

    private static HopperProblem Problem(int m, int n, int k, OutputType output) =>
        new(Whole, m, n, k, output) { CodePitch = k, OutputPadding = 0 };

    private float[] Run(HopperProblem problem, DenseTensorPlan plan)
    {
        int bytes = problem.M * problem.N * problem.ElementBytes;
        ArrayView<byte> output = Upload(Enumerable.Repeat(Untouched, bytes + 64).ToArray());
        Launch(Call(problem, output.LoadEffectiveAddressAsPtr()), plan);
        byte[] stored = Download(output);
        stored[bytes..].Should().OnlyContain(value => value == Untouched);
        return problem.Decode(stored.AsSpan(0, bytes));
    }

    private void Launch(DenseCall call, DenseTensorPlan plan) => new EmulatedTensorCores(Accelerator).Dense(call, plan);

    private DenseCall Call(HopperProblem problem, IntPtr output) => new()
    {
        Activations = Upload(problem.Activations).LoadEffectiveAddressAsPtr(),
        ActivationScales = Upload(problem.ActivationScales).LoadEffectiveAddressAsPtr(),
        Weights = Upload(problem.Weights).LoadEffectiveAddressAsPtr(),
        WeightScales = Upload(problem.WeightScales).LoadEffectiveAddressAsPtr(),
        Output = output,
        M = problem.M,
        N = problem.N,
        K = problem.K,
        OutputType = (int)problem.Output,
        Vector = problem.N * problem.ElementBytes % 16 == 0 ? 1 : 0,
    };
}
