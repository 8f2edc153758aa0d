using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>The Hopper kernels' logic, run by the emulator with the CPU bodies of their intrinsics.</summary>
internal sealed class HopperKernelTests : EmulatorFixture
{
    private const byte Untouched = 0xA5;

    // One block works through all tiles and laps its ring of stages; two blocks share them.
    [TestCase(128, 130, 264, 384, OutputType.BFloat16, 1)]
    [TestCase(144, 5, 300, 256, OutputType.Half, 1)]
    [TestCase(192, 65, 200, 200, OutputType.Single, 2)]
    [TestCase(256, 130, 300, 136, OutputType.BFloat16, 1)]
    [TestCase(128, 1, 8, 16, OutputType.Single, 1)]
    public void Prefill_is_exact(int tileN, int m, int n, int k, OutputType output, int multiprocessors)
    {
        var plan = new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 2);

        IsExact(new HopperProblem(plan, m, n, k, output), multiprocessors);
    }

    [TestCase(8, 5, 200, 1040, 1, OutputType.BFloat16)]
    [TestCase(16, 17, 129, 384, 2, OutputType.Half)]
    [TestCase(32, 32, 128, 512, 4, OutputType.Single)]
    [TestCase(64, 33, 70, 300, 3, OutputType.BFloat16)]
    [TestCase(128, 130, 128, 136, 1, OutputType.Half)]
    public void Decode_is_exact(int tokens, int m, int n, int k, int split, OutputType output)
    {
        var plan = new HopperPlan(HopperKernelKind.Decode, tokens, 128, split, 1);

        IsExact(new HopperProblem(plan, m, n, k, output), 1);
    }

    private void IsExact(HopperProblem problem, int multiprocessors) => Run(problem, multiprocessors).Should().Equal(problem.Expected());

    private float[] Run(HopperProblem problem, int multiprocessors)
    {
        byte[] output = Stored(problem, multiprocessors);
        int pitch = problem.OutputPitch * problem.ElementBytes, width = problem.N * problem.ElementBytes;
        byte[] rows = Enumerable.Range(0, problem.M).SelectMany(row => output.AsSpan(row * pitch, width).ToArray()).ToArray();
        Enumerable.Range(0, output.Length).Where(i => i % pitch >= width || i / pitch >= problem.M).Select(i => output[i])
            .Should().OnlyContain(value => value == Untouched, "kernels write nothing outside of [M, N]");
        return problem.Decode(rows);
    }

    // The output's rows and one more, padding and all.
    private byte[] Stored(HopperProblem problem, int multiprocessors)
    {
        var output = Upload(Enumerable.Repeat(Untouched, (problem.M + 1) * problem.OutputPitch * problem.ElementBytes).ToArray());
        var call = new MatmulCall
        {
            Plan = problem.Plan,
            M = problem.M,
            N = problem.N,
            K = problem.K,
            Activations = Upload(problem.Activations).LoadEffectiveAddressAsPtr(),
            ActivationPitch = problem.CodePitch,
            ActivationScales = Upload(problem.ActivationScales).LoadEffectiveAddressAsPtr(),
            ScaleRowStride = problem.ColumnMajorScales ? 1 : problem.Blocks,
            ScaleBlockStride = problem.ColumnMajorScales ? problem.M : 1,
            Weights = Upload(problem.Weights).LoadEffectiveAddressAsPtr(),
            WeightPitch = problem.CodePitch,
            WeightScales = Upload(problem.WeightScales).LoadEffectiveAddressAsPtr(),
            Output = output.LoadEffectiveAddressAsPtr(),
            OutputPitch = problem.OutputPitch,
            OutputType = problem.Output,
            ConstantWeights = problem.M % 2 == 0,
        };
        HopperKernels.Supports(call).Should().BeTrue();
        new EmulatedHopper(Accelerator, multiprocessors).Matmul(call);
        return Download(output);
    }
}
