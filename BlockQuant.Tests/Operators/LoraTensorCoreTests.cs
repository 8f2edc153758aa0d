using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>LoRA on warp-level tensor cores, forced, on random shapes against float64; where a device has none, the refusal to run there.</summary>
public sealed class LoraTensorCoreTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static readonly LoraPlanOverrides Forced = new() { Kernel = KernelFamily.TensorFloat16 };

    private static bool HasTensorCores => Device.Traits is { Kind: DeviceKind.Cuda, ComputeCapability: >= 90 };

    [TestCase(LoraMode.Unquantized)]
    [TestCase(LoraMode.Tensor)]
    [TestCase(LoraMode.Channel)]
    [TestCase(LoraMode.Block)]
    public void Products_are_those_of_the_reference(LoraMode mode) => ForAll(problem =>
    {
        (QuantizationScheme? input, QuantizationScheme? weight) = Schemes(mode);
        switch (mode)
        {
            case LoraMode.Unquantized when problem.Seed % 2 == 0:
                CheckShrink<BFloat16, BFloat16, float>(problem, null, null, 1e-5);
                CheckExpand<BFloat16, BFloat16, BFloat16>(problem, null, null, 3e-3);
                break;
            case LoraMode.Unquantized:
                CheckShrink<Half, Half, Half>(problem, null, null, 1e-3);
                CheckExpand<Half, Half, float>(problem, null, null, 1e-5);
                break;
            default:
                CheckShrink<Float8E4M3, Float8E4M3, float>(problem, input, weight, 1e-5);
                CheckExpand<Float8E4M3, Float8E4M3, float>(problem, input, weight, 1e-5);
                break;
        }
    });

    [TestCase(LoraMode.Channel)]
    [TestCase(LoraMode.Block)]
    public void Full_precision_input_takes_quantized_weights(LoraMode mode) => ForAll(problem =>
    {
        (_, QuantizationScheme? weight) = Schemes(mode);
        CheckShrink<BFloat16, Float8E4M3, BFloat16>(problem, null, weight, 3e-3);
        CheckExpand<BFloat16, Float8E4M3, float>(problem, null, weight, 1e-5);
        CheckShrink<Half, Float8E4M3, float>(problem, null, weight, 1e-5);
        CheckExpand<Half, Float8E4M3, Half>(problem, null, weight, 1e-3);
    });

    [Test]
    public void A_row_does_not_depend_on_the_other_rows_and_repeats_bit_for_bit() => ForAll(problem =>
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        (QuantizationScheme? input, QuantizationScheme? weight) = Schemes(LoraMode.Block);
        (LoraInput<Float8E4M3> x, _) = data.Input<Float8E4M3>(input, 1, problem.Tokens, problem.Wide);
        (LoraSlice<Float8E4M3> slice, _) = data.Slice<Float8E4M3>(weight, problem.Adapters, problem.Rank, problem.Wide);
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        float[] all = Shrink(mapping);
        Shrink(mapping).Should().Equal(all);
        int chosen = random.Next(problem.Tokens);
        var alone = new int[problem.Tokens];
        Array.Fill(alone, -1);
        alone[chosen] = mapping[chosen];
        Shrink(alone).AsSpan(chosen * problem.Rank, problem.Rank).ToArray().Should().Equal(all.AsSpan(chosen * problem.Rank, problem.Rank).ToArray());

        float[] Shrink(int[] rows)
        {
            DeviceMatrix<float> output = data.Output(new float[problem.Tokens * problem.Rank], problem.Tokens, problem.Rank);
            Device.Lora.Shrink(x, [slice], data.Map(rows, problem.Adapters), 1f, output.View, options: new() { Plan = Forced });
            return output.ToArray();
        }
    });

    [Test]
    public void Dependent_launches_see_what_the_kernels_ahead_wrote() => IfSupported(() =>
    {
        const int Tokens = 100;
        const int Hidden = 1024;
        const int Rank = 32;
        using var data = new LoraData(Device, new Random(21));
        (LoraInput<BFloat16> x, _) = data.Input<BFloat16>(null, 1, Tokens, Hidden);
        (LoraSlice<BFloat16> a, _) = data.Slice<BFloat16>(null, 3, Rank, Hidden);
        (LoraSlice<BFloat16> b, _) = data.Slice<BFloat16>(null, 3, Hidden, Rank);
        AdapterMapView map = data.Map(data.Mapping(Tokens, 3), 3);
        BFloat16[] before = new BFloat16[Tokens * Hidden];
        BFloat16[] inOrder = Run(dependent: false);
        for (int i = 0; i < 10; i++)
        {
            Run(dependent: true).Should().Equal(inOrder);
        }

        BFloat16[] Run(bool dependent)
        {
            DeviceMatrix<BFloat16> shrunk = data.Output(new BFloat16[Tokens * Rank], Tokens, Rank);
            DeviceMatrix<BFloat16> output = data.Output(before, Tokens, Hidden);
            var shrink = new LoraShrinkOptions { Plan = Forced, ProgrammaticDependentLaunch = dependent };
            var expand = new LoraExpandOptions { Plan = Forced, ProgrammaticDependentLaunch = dependent, AddInputs = true };
            for (int turn = 0; turn < 3; turn++)
            {
                Device.Lora.Shrink(x, [a], map, 0.5f, shrunk.View, options: shrink);
                Device.Lora.Expand(new LoraInput<BFloat16>(shrunk.View), [b], map, output.View, expand);
            }

            return output.ToArray();
        }
    });

    [Test]
    public void Maps_that_are_not_in_order_write_nothing_outside() => IfSupported(() =>
    {
        const int Tokens = 20;
        using var data = new LoraData(Device, new Random(22));
        (LoraInput<Half> x, _) = data.Input<Half>(null, 1, Tokens, 64);
        (LoraSlice<Half> slice, _) = data.Slice<Half>(null, 2, 16, 64);
        int[] tokens = [.. Enumerable.Range(0, Tokens)];
        tokens[4] = Tokens;
        tokens[9] = -5;
        var map = new AdapterMapView(
            data.Buffer(tokens).View, data.Buffer([4, 30, -3, 5]).View, data.Buffer([0, 4, int.MaxValue, -9, 9]).View, data.Buffer([7, 0, 1, 1]).View);
        float[] before = new float[(Tokens + 2) * 16];
        Array.Fill(before, 7f);
        DeviceMatrix<float> output = data.Output(before, Tokens + 2, 16);
        var inner = new MatrixView<float>(output.View.Data.SubView(16, Tokens * 16), Tokens, 16);

        Device.Lora.Shrink(x, [slice], map, 1f, inner, options: new() { Plan = Forced });

        float[] found = output.ToArray();
        found[..16].Should().AllBeEquivalentTo(7f);
        found[^16..].Should().AllBeEquivalentTo(7f);
        found.AsSpan(16, 4 * 16).ToArray().Should().AllBeEquivalentTo(0f, "an adapter that does not exist counts as none");
        found.AsSpan((1 + 4) * 16, 16).ToArray().Should().AllBeEquivalentTo(7f, "a token that does not exist is passed over");
    });

    [Test]
    public void Operands_that_do_not_fit_are_refused_where_tensor_cores_are_forced()
    {
        using var data = new LoraData(Device, new Random(23));
        (LoraInput<float> x, _) = data.Input<float>(null, 1, 3, 64);
        (LoraSlice<float> slice, _) = data.Slice<float>(null, 2, 16, 64);
        DeviceMatrix<float> output = data.Output(new float[3 * 16], 3, 16);
        FluentActions.Invoking(() => Device.Lora.Shrink(x, [slice], data.Map([0, 1, -1], 2), 1f, output.View, options: new() { Plan = Forced }))
            .Should().Throw<ArgumentException>().WithMessage("LoRA plan: kernel family TensorFloat16 cannot run, because*");
        FluentActions.Invoking(() => Device.Lora.Shrink(
                x, [slice], data.Map([0, 1, -1], 2), 1f, output.View, options: new() { Plan = new() { Kernel = KernelFamily.Hopper } }))
            .Should().Throw<ArgumentException>().WithMessage("LoRA plan: kernel family Hopper has no LoRA kernels*");
    }

    private static void CheckShrink<TX, TW, TOut>(Problem problem, QuantizationScheme? inputScheme, QuantizationScheme? weightScheme, double bound)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        (LoraInput<TX> x, double[] values) = data.Input<TX>(inputScheme, 1, problem.Tokens, problem.Wide);
        var slices = new LoraSlice<TW>[problem.Slices];
        var weights = new AdapterWeights[problem.Slices];
        for (int i = 0; i < slices.Length; i++)
        {
            (slices[i], weights[i]) = data.Slice<TW>(weightScheme, problem.Adapters, random.Next(1, problem.Rank + 1), problem.Wide, 16 * random.Next(3), 16 * random.Next(3));
        }

        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        int width = weights.Max(slice => slice.Rows), rows = slices.Length * problem.Tokens;
        var before = new TOut[rows * width];
        Array.Fill(before, LoraData.From<TOut>(float.NaN));
        DeviceMatrix<TOut> output = data.Output(before, rows, width);
        Device.Lora.Shrink(x, slices, data.Map(mapping, problem.Adapters), 0.5f, output.View, options: new() { Plan = Forced });
        double[] expected = ReferenceOperators.LoraShrink(values, weights, mapping, 0.5);
        Compare.RelativeError(Array.ConvertAll(output.ToArray(), LoraData.ToSingle), expected).Should().BeLessThan(bound);
    }

    private static void CheckExpand<TX, TW, TOut>(Problem problem, QuantizationScheme? inputScheme, QuantizationScheme? weightScheme, double bound)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        int rank = problem.ExpandRank;
        (LoraInput<TX> y, double[] values) = data.Input<TX>(inputScheme, problem.Slices, problem.Tokens, rank, sharedScales: random.Next(2) == 0);
        var slices = new LoraSlice<TW>[problem.Slices];
        var weights = new AdapterWeights[problem.Slices];
        for (int i = 0; i < slices.Length; i++)
        {
            int own = Math.Max(4, rank - 4 * random.Next(3));
            (slices[i], weights[i]) = data.Slice<TW>(weightScheme, problem.Adapters, random.Next(1, problem.Wide + 1), own, (16 - own % 16) % 16, 16 * random.Next(3));
        }

        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        int offset = random.Next(2) * 8, columns = offset + weights.Sum(slice => slice.Rows) + random.Next(9);
        columns = random.Next(2) == 0 ? columns : (columns + 7) / 8 * 8;
        bool add = random.Next(2) == 0;
        TOut[] before = Array.ConvertAll(RandomData.Normal(random, problem.Tokens * columns), LoraData.From<TOut>);
        DeviceMatrix<TOut> output = data.Output(before, problem.Tokens, columns);
        var options = new LoraExpandOptions { Plan = Forced, AddInputs = add, ColumnOffset = offset };
        Device.Lora.Expand(y, slices, data.Map(mapping, problem.Adapters), output.View, options);
        double[] expected = Array.ConvertAll(before, value => (double)LoraData.ToSingle(value));
        ReferenceOperators.LoraExpand(values, weights, rank, mapping, expected, columns, offset, add);
        TOut[] found = output.ToArray();
        Compare.RelativeError(Array.ConvertAll(found, LoraData.ToSingle), expected).Should().BeLessThan(bound);
        for (int i = 0; i < found.Length; i++)
        {
            bool inside = i % columns >= offset && i % columns < offset + weights.Sum(slice => slice.Rows);
            (inside && mapping[i / columns] >= 0 || found[i].Equals(before[i])).Should().BeTrue($"element {i} lies outside the slices or has no adapter");
        }
    }

    /// <summary>What a mode quantizes: input and weights.</summary>
    internal static (QuantizationScheme? Input, QuantizationScheme? Weight) Schemes(LoraMode mode) => mode switch
    {
        LoraMode.Unquantized => (null, null),
        LoraMode.Tensor => (QuantizationScheme.Fp8Tensor, QuantizationScheme.Fp8Tensor),
        LoraMode.Channel => (QuantizationScheme.Fp8Token, QuantizationScheme.Fp8Channel),
        _ => (QuantizationScheme.Fp8TokenGroup128, QuantizationScheme.Fp8Block128 with { Block = new BlockShape(32, 128) }),
    };

    private static void ForAll(Action<Problem> check) => IfSupported(()
        => Prop.ForAll(Problems.ToArbitrary(), check).Check(Config.QuickThrowOnFailure.WithMaxTest(12).WithReplay(20261121, 7)));

    /// <summary>Where a device has no tensor cores for LoRA, forcing them must be refused.</summary>
    private static void IfSupported(Action check)
    {
        if (HasTensorCores)
        {
            check();
        }
        else
        {
            check.Should().Throw<Exception>().Which.ToString().Should().Contain("kernel family TensorFloat16 cannot run");
        }
    }

    // Depths in the multiples that the kernels read at once; everything else ragged.
    private static Gen<Problem> Problems =>
        from tokens in Gen.OneOf(Gen.Choose(1, 60), Gen.Choose(200, 400))
        from wide in Gen.OneOf(Gen.Choose(1, 20), Gen.Choose(30, 140))
        from rank in Gen.OneOf(Gen.Choose(1, 30), Gen.Choose(8, 130))
        from expandRank in Gen.OneOf(Gen.Choose(1, 8).Select(i => 4 * i), Gen.Choose(1, 12).Select(i => 16 * i))
        from adapters in Gen.OneOf(Gen.Choose(1, 5), Gen.Choose(30, 70))
        from slices in Gen.OneOf(Gen.Choose(1, 3), Gen.Constant(9))
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new Problem(tokens, 16 * wide, rank, expandRank, adapters, slices, seed);

    private sealed record Problem(int Tokens, int Wide, int Rank, int ExpandRank, int Adapters, int Slices, int Seed);
}
