using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>LoRA shrink and expand on random ragged shapes, modes, plans and slices against float64.</summary>
public sealed class LoraPropertyTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static int MaxLanes => Math.Min(Device.Traits.MaxGroupSize, 32);

    [TestCase(LoraMode.Unquantized)]
    [TestCase(LoraMode.Tensor)]
    [TestCase(LoraMode.Channel)]
    [TestCase(LoraMode.Block)]
    public void Shrink_is_that_of_the_reference(LoraMode mode) => ForAll(problem =>
    {
        switch (mode)
        {
            case LoraMode.Unquantized when problem.Seed % 3 == 0:
                CheckShrink<BFloat16, BFloat16>(problem, null, null);
                break;
            case LoraMode.Unquantized when problem.Seed % 3 == 1:
                CheckShrink<Half, Half>(problem, null, null);
                break;
            case LoraMode.Unquantized:
                CheckShrink<float, float>(problem, null, null);
                break;
            default:
                CheckShrink<Float8E4M3, Float8E4M3>(problem, problem.InputScheme(mode), problem.WeightScheme(mode));
                break;
        }
    });

    [TestCase(LoraMode.Unquantized)]
    [TestCase(LoraMode.Tensor)]
    [TestCase(LoraMode.Channel)]
    [TestCase(LoraMode.Block)]
    public void Expand_is_that_of_the_reference(LoraMode mode) => ForAll(problem =>
    {
        switch (mode)
        {
            case LoraMode.Unquantized when problem.Seed % 3 == 0:
                CheckExpand<BFloat16, BFloat16>(problem, null, null);
                break;
            case LoraMode.Unquantized when problem.Seed % 3 == 1:
                CheckExpand<Half, Half>(problem, null, null);
                break;
            case LoraMode.Unquantized:
                CheckExpand<float, float>(problem, null, null);
                break;
            default:
                CheckExpand<Float8E4M3, Float8E4M3>(problem, problem.InputScheme(mode), problem.WeightScheme(mode));
                break;
        }
    });

    [Test]
    public void Full_precision_input_takes_quantized_weights() => ForAll(problem =>
    {
        CheckShrink<BFloat16, Float8E4M3>(problem, null, problem.WeightScheme(LoraMode.Block));
        CheckExpand<float, Float8E4M3>(problem, null, problem.WeightScheme(LoraMode.Channel));
        CheckExpand<float, BFloat16>(problem, null, null);
    });

    [Test]
    public void A_row_does_not_depend_on_the_other_rows() => ForAll(problem =>
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        QuantizationScheme scheme = problem.InputScheme(LoraMode.Block);
        (LoraInput<Float8E4M3> x, _) = data.Input<Float8E4M3>(scheme, 1, problem.Tokens, problem.Wide);
        (LoraSlice<Float8E4M3> slice, _) = data.Slice<Float8E4M3>(problem.WeightScheme(LoraMode.Block), problem.Adapters, problem.Rank, problem.Wide);
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        float[] all = Shrink(mapping);
        int chosen = random.Next(problem.Tokens);
        var alone = new int[problem.Tokens];
        Array.Fill(alone, -1);
        alone[chosen] = mapping[chosen];
        float[] one = Shrink(alone);
        one.AsSpan(chosen * problem.Rank, problem.Rank).ToArray().Should().Equal(all.AsSpan(chosen * problem.Rank, problem.Rank).ToArray());

        float[] Shrink(int[] rows)
        {
            DeviceMatrix<float> output = data.Output(new float[problem.Tokens * problem.Rank], problem.Tokens, problem.Rank);
            Device.Lora.Shrink(x, [slice], data.Map(rows, problem.Adapters), 1f, output.View, options: new() { Plan = problem.Plan with { SplitK = 1 } });
            return output.ToArray();
        }
    });

    private static void CheckShrink<TX, TW>(Problem problem, QuantizationScheme? inputScheme, QuantizationScheme? weightScheme)
        where TX : unmanaged
        where TW : unmanaged
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        int offset = inputScheme?.Granularity == ScaleGranularity.TokenGroup ? random.Next(inputScheme.Block.Columns) : 0;
        (LoraInput<TX> x, double[] values) = data.Input<TX>(inputScheme, 1, problem.Tokens, problem.Wide, columnOffset: offset);
        (LoraSlice<TW>[] slices, AdapterWeights[] weights) = Slices<TW>(data, random, problem, weightScheme, () => (random.Next(1, problem.Rank + 1), problem.Wide));
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        int width = weights.Max(slice => slice.Rows);
        int rows = slices.Length * problem.Tokens;
        var options = new LoraShrinkOptions { Plan = problem.Plan, Reduction = random.Next(2) == 0 ? SplitReduction.Ordered : SplitReduction.Atomic };
        DeviceMatrix<float> output = data.Output(Fill(rows * width), rows, width);
        DeviceBuffer<float> workspace = data.Buffer(new float[LoraOperators.ShrinkWorkspaceLength(slices.Length, problem.Tokens, width, options)]);
        Device.Lora.Shrink(x, slices, data.Map(mapping, problem.Adapters), 0.5f, output.View, workspace.View, options);
        double[] expected = ReferenceOperators.LoraShrink(values, weights, mapping, 0.5);
        Compare.RelativeError(output.ToArray(), expected).Should().BeLessThan(1e-5);
    }

    private static void CheckExpand<TX, TW>(Problem problem, QuantizationScheme? inputScheme, QuantizationScheme? weightScheme)
        where TX : unmanaged
        where TW : unmanaged
    {
        var random = new Random(problem.Seed);
        using var data = new LoraData(Device, random);
        (LoraInput<TX> y, double[] values) = data.Input<TX>(inputScheme, problem.Slices, problem.Tokens, problem.Rank, sharedScales: random.Next(2) == 0);
        (LoraSlice<TW>[] slices, AdapterWeights[] weights) = Slices<TW>(
            data, random, problem, weightScheme, () => (random.Next(1, problem.Wide + 1), random.Next(1, problem.Rank + 1)));
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        int offset = random.Next(5);
        int columns = offset + weights.Sum(slice => slice.Rows) + random.Next(5);
        bool add = random.Next(2) == 0;
        float[] before = RandomData.Normal(random, problem.Tokens * columns);
        DeviceMatrix<float> output = data.Output(before, problem.Tokens, columns);
        var options = new LoraExpandOptions { Plan = problem.Plan with { SplitK = 1 }, AddInputs = add, ColumnOffset = offset };
        Device.Lora.Expand(y, slices, data.Map(mapping, problem.Adapters), output.View, options);
        double[] expected = Array.ConvertAll(before, value => (double)value);
        ReferenceOperators.LoraExpand(values, weights, problem.Rank, mapping, expected, columns, offset, add);
        float[] found = output.ToArray();
        Compare.RelativeError(found, expected).Should().BeLessThan(1e-5);
        for (int i = 0; i < found.Length; i++)
        {
            bool inside = i % columns >= offset && i % columns < offset + weights.Sum(slice => slice.Rows);
            (inside && mapping[i / columns] >= 0 || found[i] == before[i]).Should().BeTrue($"element {i} lies outside the slices or has no adapter");
        }
    }

    private static (LoraSlice<T>[] Slices, AdapterWeights[] Weights) Slices<T>(
        LoraData data, Random random, Problem problem, QuantizationScheme? scheme, Func<(int Rows, int Columns)> shape)
        where T : unmanaged
    {
        var slices = new LoraSlice<T>[problem.Slices];
        var weights = new AdapterWeights[problem.Slices];
        for (int i = 0; i < slices.Length; i++)
        {
            (int rows, int columns) = shape();
            bool blocks = scheme?.Granularity == ScaleGranularity.Block;
            (slices[i], weights[i]) = data.Slice<T>(
                scheme,
                problem.Adapters,
                rows,
                columns,
                random.Next(3),
                random.Next(3),
                blocks ? random.Next(scheme!.Block.Rows) : 0,
                blocks ? random.Next(scheme!.Block.Columns) : 0);
        }

        return (slices, weights);
    }

    private static void ForAll(Action<Problem> check)
        => Prop.ForAll(Problems.ToArbitrary(), check).Check(
            Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 4 : 15).WithReplay(20261121, 7));

    private static Gen<Problem> Problems =>
        from tokens in Gen.Choose(1, 40)
        from wide in Gen.Choose(1, 200)
        from rank in Gen.OneOf(Gen.Choose(1, 30), Gen.Choose(8, 70))
        from adapters in Gen.Choose(1, 5)
        from slices in Gen.OneOf(Gen.Choose(1, 4), Gen.Constant(9))
        from groupN in Gen.Choose(1, 40)
        from inputGroup in Gen.Choose(1, 130)
        from groupK in Gen.Choose(1, 130)
        from plan in Plans
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new Problem(tokens, wide, rank, adapters, slices, inputGroup, new BlockShape(groupN, groupK), plan, seed);

    private static Gen<LoraPlanOverrides> Plans =>
        from tileM in Gen.Elements(8, 16, 24)
        from tileN in Gen.Elements(4, 8, 12)
        from tileK in Gen.Choose(1, 160)
        from depthLanes in Gen.Choose(1, 3)
        from splitK in Gen.Choose(1, 4)
        where tileM / 8 * (tileN / 4) * depthLanes <= MaxLanes
        select new LoraPlanOverrides { TileM = tileM, TileN = tileN, TileK = tileK, DepthLanes = depthLanes, SplitK = splitK };

    private static float[] Fill(int count)
    {
        var values = new float[count];
        Array.Fill(values, 7f);
        return values;
    }

    private sealed record Problem(
        int Tokens, int Wide, int Rank, int Adapters, int Slices, int InputGroup, BlockShape WeightBlock, LoraPlanOverrides Plan, int Seed)
    {
        public QuantizationScheme InputScheme(LoraMode mode) => mode switch
        {
            LoraMode.Tensor => QuantizationScheme.Fp8Tensor,
            LoraMode.Channel => QuantizationScheme.Fp8Token,
            _ => QuantizationScheme.Fp8TokenGroup128 with { Block = new BlockShape(1, InputGroup) },
        };

        public QuantizationScheme WeightScheme(LoraMode mode) => mode switch
        {
            LoraMode.Tensor => QuantizationScheme.Fp8Tensor,
            LoraMode.Channel => QuantizationScheme.Fp8Channel,
            _ => QuantizationScheme.Fp8Block128 with { Block = WeightBlock },
        };
    }
}

/// <summary>How a LoRA product is quantized.</summary>
public enum LoraMode
{
    Unquantized,
    Tensor,
    Channel,
    Block,
}
