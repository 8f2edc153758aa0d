using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Tests.Emulator;

/// <summary>The Hopper kernels' logic, run by the emulator with the CPU bodies of their intrinsics.</summary>
internal sealed partial class HopperKernelTests : EmulatorFixture
{
    private const byte Untouched = 0xA5;

    // One block works through all tiles and laps its ring of stages, or two blocks share them; edges are ragged in M, N and K; the
    // output's rows let 16 bytes be stored at a time (padding 8) or not.
    [TestCase(32, 130, 70, 1540, OutputType.BFloat16, 1, 8)]
    [TestCase(32, 70, 33, 130, OutputType.Single, 2, 3)]
    [TestCase(64, 65, 150, 1160, OutputType.Single, 1, 8)]
    [TestCase(64, 5, 64, 144, OutputType.Half, 1, 8)]
    [TestCase(128, 130, 264, 384, OutputType.BFloat16, 1, 8)]
    [TestCase(128, 70, 131, 130, OutputType.Single, 2, 3)]
    [TestCase(128, 1, 8, 16, OutputType.Single, 1, 8)]
    [TestCase(144, 5, 300, 256, OutputType.Half, 1, 8)]
    [TestCase(144, 129, 160, 144, OutputType.Single, 2, 4)]
    [TestCase(192, 65, 200, 200, OutputType.Single, 2, 8)]
    [TestCase(192, 20, 385, 128, OutputType.BFloat16, 1, 1)]
    [TestCase(256, 130, 304, 136, OutputType.BFloat16, 1, 8)]
    [TestCase(256, 17, 300, 640, OutputType.Half, 1, 5)]
    // The copy engine brings the scales, for several turns of the ring and several tiles: slots are lapped at other places than stages.
    [TestCase(32, 20, 100, 2560, OutputType.BFloat16, 1, 8)]
    [TestCase(64, 9, 300, 1536, OutputType.Single, 2, 8)]
    [TestCase(128, 140, 264, 1024, OutputType.Half, 1, 8)]
    [TestCase(144, 17, 400, 1024, OutputType.BFloat16, 1, 8)]
    public void Prefill_is_exact(int tileN, int m, int n, int k, OutputType output, int multiprocessors, int padding)
    {
        var plan = new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 2);

        IsExact(new HopperProblem(plan, m, n, k, output) { OutputPadding = padding }, multiprocessors);
    }

    // The copy engine writes the output: buffers are filled again, rows end inside a warp's and columns inside a box.
    [TestCase(64, 140, 136, 128, OutputType.BFloat16, 1, 8)]
    [TestCase(128, 130, 264, 128, OutputType.BFloat16, 1, 8)]
    [TestCase(192, 65, 200, 200, OutputType.Half, 1, 8)]
    [TestCase(256, 129, 304, 144, OutputType.BFloat16, 2, 8)]
    [TestCase(256, 257, 304, 144, OutputType.BFloat16, 1, 16)]
    // The copy engine brings the scales as well, for one and for several turns of the ring.
    [TestCase(256, 57, 264, 512, OutputType.BFloat16, 1, 8)]
    [TestCase(192, 140, 456, 1024, OutputType.BFloat16, 1, 8)]
    [TestCase(256, 260, 520, 1024, OutputType.Half, 2, 8)]
    public void Prefill_whose_stores_overlap_is_exact(int tileN, int m, int n, int k, OutputType output, int multiprocessors, int padding)
    {
        var plan = new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 2, OverlapStores: true);

        IsExact(new HopperProblem(plan, m, n, k, output) { OutputPadding = padding }, multiprocessors);
    }

    // Two blocks bring half of the weights each: several turns and tiles, stages passed over, scales brought by lanes.
    [TestCase(200, 520, 1024, OutputType.BFloat16, 2, true)]
    [TestCase(385, 264, 300, OutputType.Half, 5, true)]
    [TestCase(256, 300, 640, OutputType.Single, 2, false)]
    public void Prefill_by_pairs_of_blocks_is_exact(int m, int n, int k, OutputType output, int multiprocessors, bool overlap)
    {
        var plan = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 2, overlap, Pairs: true);

        IsExact(new HopperProblem(plan, m, n, k, output) { OutputPadding = 8 }, multiprocessors);
    }

    [TestCase(300, 2)]
    [TestCase(512, 3)]
    public void An_odd_row_tile_has_no_pair(int rows, int groupM)
    {
        var plan = new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, groupM, Pairs: true);

        var act = () => Run(new HopperProblem(plan, rows, 256, 128, OutputType.Single), 2);

        act.Should().Throw<ArgumentException>().WithMessage($"*even number of row tiles*{rows} rows*");
    }

    // Without a split the ring of stages is lapped; with one, parts of K differ in length.
    [TestCase(8, 5, 200, 1040, 1, OutputType.BFloat16, 8)]
    [TestCase(8, 9, 130, 256, 2, OutputType.Single, 1)]
    [TestCase(16, 17, 129, 384, 2, OutputType.Half, 3)]
    [TestCase(16, 1, 256, 900, 1, OutputType.Single, 4)]
    [TestCase(32, 32, 128, 640, 4, OutputType.Single, 8)]
    [TestCase(32, 30, 140, 1000, 1, OutputType.Half, 4)]
    [TestCase(64, 33, 70, 300, 4, OutputType.BFloat16, 2)]
    [TestCase(64, 64, 128, 700, 1, OutputType.BFloat16, 8)]
    [TestCase(64, 61, 256, 700, 2, OutputType.BFloat16, 8)]
    [TestCase(128, 120, 128, 400, 4, OutputType.BFloat16, 8)]
    [TestCase(128, 130, 128, 136, 1, OutputType.Half, 8)]
    [TestCase(128, 100, 131, 1050, 2, OutputType.BFloat16, 1)]
    [TestCase(16, 16, 200, 1100, 8, OutputType.Half, 3)]
    [TestCase(128, 130, 131, 1050, 8, OutputType.BFloat16, 8)]
    public void Decode_is_exact(int tokens, int m, int n, int k, int split, OutputType output, int padding)
    {
        var plan = new HopperPlan(HopperKernelKind.Decode, tokens, 128, split, 1);

        IsExact(new HopperProblem(plan, m, n, k, output) { OutputPadding = padding }, 1);
    }

    // The warpgroups take turns, of which one may have none; the ring is lapped, its stages all of shared memory, a half or a third.
    [TestCase(8, 5, 200, 128, 1, OutputType.BFloat16, 8, 132)]
    [TestCase(8, 8, 100, 5000, 1, OutputType.Single, 1, 1)]
    [TestCase(8, 3, 300, 2200, 1, OutputType.BFloat16, 4, 2)]
    [TestCase(16, 9, 130, 2000, 2, OutputType.Half, 3, 132)]
    [TestCase(16, 16, 64, 700, 4, OutputType.BFloat16, 8, 1)]
    [TestCase(32, 31, 140, 1500, 1, OutputType.BFloat16, 4, 1)]
    [TestCase(32, 17, 129, 520, 4, OutputType.Single, 3, 132)]
    [TestCase(64, 61, 130, 2500, 1, OutputType.BFloat16, 8, 132)]
    [TestCase(64, 64, 70, 1900, 2, OutputType.Half, 2, 1)]
    [TestCase(64, 70, 128, 300, 2, OutputType.BFloat16, 8, 132)]
    [TestCase(8, 21, 70, 300, 1, OutputType.Half, 8, 132)]
    public void Decode_of_64_weight_rows_is_exact(
        int tokens, int m, int n, int k, int split, OutputType output, int padding, int multiprocessors)
    {
        var plan = new HopperPlan(HopperKernelKind.Decode, tokens, 64, split, 1);

        IsExact(new HopperProblem(plan, m, n, k, output) { OutputPadding = padding }, multiprocessors);
    }

    [TestCase(HopperKernelKind.Prefill, 128, 64, 1, 1024)]
    [TestCase(HopperKernelKind.Decode, 16, 64, 2, 400)]
    [TestCase(HopperKernelKind.Prefill, 128, 192, 1, 300)]
    [TestCase(HopperKernelKind.Prefill, 128, 256, 1, 1024)]
    [TestCase(HopperKernelKind.Decode, 64, 128, 2, 300)]
    public void Activation_scales_may_be_column_major(HopperKernelKind kind, int tileM, int tileN, int split, int k)
    {
        var plan = new HopperPlan(kind, tileM, tileN, split, 1);

        IsExact(new HopperProblem(plan, 67, 200, k, OutputType.Single) { ColumnMajorScales = true }, 1);
    }

    [TestCase(HopperKernelKind.Prefill, 128, 144, 1, OutputType.Single, 1e-6)]
    [TestCase(HopperKernelKind.Prefill, 128, 256, 1, OutputType.BFloat16, 3e-3)]
    [TestCase(HopperKernelKind.Decode, 16, 128, 2, OutputType.Single, 1e-6)]
    [TestCase(HopperKernelKind.Decode, 64, 128, 4, OutputType.Half, 4e-4)]
    [TestCase(HopperKernelKind.Decode, 64, 64, 2, OutputType.Half, 4e-4)]
    public void Results_are_the_references(HopperKernelKind kind, int tileM, int tileN, int split, OutputType output, double tolerance)
    {
        var problem = new HopperProblem(new HopperPlan(kind, tileM, tileN, split, 1), 40, 170, 400, output) { LargestCode = 448 };
        var (activations, weights) = problem.Matrices;

        Compare.RelativeError(Run(problem, 1), ReferenceOperators.Multiply(activations, weights)).Should().BeLessThan(tolerance);
    }

    [Test]
    public void Clusters_give_the_same_bits_on_one_thread_and_on_two()
    {
        var plan = new HopperPlan(HopperKernelKind.Decode, 8, 128, 4, 1);
        var problem = new HopperProblem(plan, 8, 300, 700, OutputType.Single) { LargestCode = 448 };

        float[] first = Run(problem, 1);

        for (int threads = 1; threads <= 2; threads++)
        {
            Accelerator = new EmulatorAccelerator(new EmulatorOptions { MaxThreads = threads });
            Run(problem, 1).Should().Equal(first);
        }
    }

    [Test]
    public void A_store_outside_of_the_output_is_a_fault()
    {
        var plan = new HopperPlan(HopperKernelKind.Decode, 8, 128, 1, 1);
        var problem = new HopperProblem(plan, 3, 40, 128, OutputType.Single) { OutputPadding = 0 };
        var output = Allocate<float>(3 * 40);
        var call = Call(problem, output.LoadEffectiveAddressAsPtr());

        // Rows that are closer to each other than they are long end in the next one, the last beyond the region.
        var fault = Assert.Throws<EmulatorFaultException>(() => new EmulatedHopper(Accelerator, 1).Matmul(call with { OutputPitch = 36 }))!;

        fault.FaultKind.Should().Be(FaultKind.OutOfBoundsWrite);
        fault.KernelName.Should().Be("decode_8");
        fault.Message.Should().Contain("output (3 rows of 160 bytes, 144 apart");
    }

    [Test]
    public void Every_intrinsic_has_a_body()
    {
        const byte newObject = 0x73, raise = 0x7A;

        var intrinsics = typeof(HopperKernel).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods()).Where(method => method.IsDefined(typeof(IntrinsicImplementationAttribute), false)).ToArray();

        intrinsics.Should().HaveCountGreaterThan(80);
        intrinsics.Where(method => method.GetMethodBody()!.GetILAsByteArray() is [newObject, _, _, _, _, raise])
            .Should().BeEmpty("kernels run on the emulator too");
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
        var call = Call(problem, output.LoadEffectiveAddressAsPtr());
        HopperKernels.Supports(call).Should().BeTrue();
        var hopper = new EmulatedHopper(Accelerator, multiprocessors);
        if (problem.IsInt8)
            hopper.Matmul(Int8Call(problem, call));
        else
            hopper.Matmul(call);
        return Download(output);
    }

    private MatmulCall Call(HopperProblem problem, IntPtr output) => new()
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
        Output = output,
        OutputPitch = problem.OutputPitch,
        OutputType = problem.Output,
        ConstantWeights = problem.M % 2 == 0,
    };
}
