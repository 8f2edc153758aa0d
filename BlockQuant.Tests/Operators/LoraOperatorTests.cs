using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>What LoRA shrink and expand promise beyond their results on ordinary shapes.</summary>
public sealed class LoraOperatorTests
{
    private const int Tokens = 19;
    private const int Adapters = 3;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    /// <summary>The reference takes one scale for a whole K tile, which is wrong where the tile is wider than the scale block.</summary>
    [TestCase(32, 160)]
    [TestCase(7, 100)]
    [TestCase(128, 50)]
    [TestCase(100, 64)]
    public void Scales_are_right_for_every_tile_depth(int groupK, int tileK)
    {
        QuantizationScheme tokenGroup = QuantizationScheme.Fp8TokenGroup128 with { Block = new BlockShape(1, groupK) };
        QuantizationScheme block = QuantizationScheme.Fp8Block128 with { Block = new BlockShape(5, groupK) };
        CheckShrink(tokenGroup, block, rank: 12, k: 300, new LoraPlanOverrides { TileM = 8, TileN = 4, TileK = tileK, DepthLanes = 2 });
    }

    [TestCase(8)]
    [TestCase(33)]
    [TestCase(100)]
    [TestCase(256)]
    public void Ranks_of_every_size_are_right(int rank)
        => CheckShrink(QuantizationScheme.Fp8Token, QuantizationScheme.Fp8Channel, rank, k: 70, plan: null);

    [Test]
    public void An_ordered_split_gives_the_same_bits_every_time()
    {
        using var data = new LoraData(Device, new Random(3));
        Problem problem = Problem.Create(data, rank: 21, k: 400);
        float[] first = problem.Shrink<float>(data, new() { Plan = Split(4) });
        for (int run = 0; run < 3; run++)
        {
            problem.Shrink<float>(data, new() { Plan = Split(4) }).Should().Equal(first);
        }

        Compare.RelativeError(first, problem.Expected).Should().BeLessThan(1e-5);
    }

    [TestCase(SplitReduction.Ordered)]
    [TestCase(SplitReduction.Atomic)]
    public void A_split_deeper_than_the_stages_is_right(SplitReduction reduction)
    {
        using var data = new LoraData(Device, new Random(4));
        Problem problem = Problem.Create(data, rank: 9, k: 70);
        float[] found = problem.Shrink<float>(data, new() { Plan = Split(5), Reduction = reduction });
        Compare.RelativeError(found, problem.Expected).Should().BeLessThan(1e-5);
    }

    [Test]
    public void A_shrink_to_another_type_is_the_float32_result_rounded()
    {
        using var data = new LoraData(Device, new Random(5));
        Problem problem = Problem.Create(data, rank: 10, k: 90);
        foreach (LoraShrinkOptions? options in new[] { null, new LoraShrinkOptions { Plan = Split(3) } })
        {
            float[] single = problem.Shrink<float>(data, options);
            problem.Shrink<BFloat16>(data, options).Should().Equal(Array.ConvertAll(single, BFloat16.FromSingle));
            problem.Shrink<Half>(data, options).Should().Equal(Array.ConvertAll(single, value => (Half)value));
        }
    }

    [Test]
    public void An_addition_is_rounded_once()
    {
        using var data = new LoraData(Device, new Random(6));
        Problem problem = Problem.Create(data, rank: 10, k: 40);
        float[] product = problem.Expand(data, new float[Tokens * 10], null);
        BFloat16[] before = Array.ConvertAll(RandomData.Normal(new Random(7), Tokens * 10), BFloat16.FromSingle);
        BFloat16[] expected = [.. before.Zip(product, (old, value) => BFloat16.FromSingle(old.ToSingle() + value))];
        problem.Expand(data, before, new() { AddInputs = true }).Should().Equal(expected);
    }

    [Test]
    public void Input_is_cast_to_the_weights_type_on_demand()
    {
        using var data = new LoraData(Device, new Random(8));
        (LoraSlice<BFloat16> slice, _) = data.Slice<BFloat16>(null, Adapters, 11, 30);
        int[] mapping = data.Mapping(Tokens, Adapters);
        mapping[0] = 0;
        float[] values = RandomData.Normal(new Random(9), Tokens * 30);
        float[] rounded = Array.ConvertAll(values, value => BFloat16.FromSingle(value).ToSingle());
        float[] cast = Expand(values, castInputs: true);
        cast.Should().Equal(Expand(rounded, castInputs: false));
        cast.Should().NotEqual(Expand(values, castInputs: false));

        float[] Expand(float[] y, bool castInputs)
        {
            DeviceMatrix<float> output = data.Output(new float[Tokens * 11], Tokens, 11);
            var input = new LoraInput<float>(data.Output(y, Tokens, 30).View);
            Device.Lora.Expand(input, [slice], data.Map(mapping, Adapters), output.View, new LoraExpandOptions { CastInputs = castInputs });
            return output.ToArray();
        }
    }

    [Test]
    public void Tokens_without_adapter_get_zeros_from_shrink_and_are_left_alone_by_expand()
    {
        using var data = new LoraData(Device, new Random(10));
        Problem problem = Problem.Create(data, rank: 6, k: 50) with { Mapping = [.. Enumerable.Repeat(-1, Tokens)] };
        problem.Shrink<float>(data, null).Should().AllBeEquivalentTo(0f);
        problem.Shrink<float>(data, new() { Plan = Split(2) }).Should().AllBeEquivalentTo(0f);
        float[] before = RandomData.Normal(new Random(11), Tokens * 6);
        problem.Expand(data, before, null).Should().Equal(before);
    }

    [Test]
    public void One_adapter_may_have_all_tokens()
    {
        using var data = new LoraData(Device, new Random(12));
        Problem problem = Problem.Create(data, rank: 6, k: 50, [.. Enumerable.Repeat(2, Tokens)]);
        Compare.RelativeError(problem.Shrink<float>(data, null), problem.Expected).Should().BeLessThan(1e-5);
    }

    [Test]
    public void No_tokens_are_no_work()
    {
        using var data = new LoraData(Device, new Random(13));
        (LoraSlice<float> slice, _) = data.Slice<float>(null, Adapters, 4, 8);
        (LoraInput<float> x, _) = data.Input<float>(null, 1, 0, 8);
        DeviceMatrix<float> output = data.Output<float>([], 0, 4);
        Device.Lora.Shrink(x, [slice], data.Map([], Adapters), 1f, output.View);
        Device.Lora.Expand(x, [slice], data.Map([], Adapters), output.View);
    }

    [Test]
    public void Dependent_launch_is_a_hint()
    {
        using var data = new LoraData(Device, new Random(14));
        Problem problem = Problem.Create(data, rank: 6, k: 50);
        problem.Shrink<float>(data, new() { ProgrammaticDependentLaunch = true }).Should().Equal(problem.Shrink<float>(data, null));
        var before = new float[Tokens * 6];
        problem.Expand(data, before, new() { ProgrammaticDependentLaunch = true }).Should().Equal(problem.Expand(data, before, null));
    }

    [Test]
    public void The_view_tier_allocates_nothing_on_the_device()
    {
        using var data = new LoraData(Device, new Random(16));
        Problem problem = Problem.Create(data, rank: 6, k: 50);
        using var map = new AdapterMap(Device, Tokens, Adapters);
        using var status = new DeviceStatus(Device);
        DeviceBuffer<int> mapping = data.Buffer(problem.Mapping);
        DeviceMatrix<float> output = data.Output(new float[Tokens * 6], Tokens, 6);
        var options = new LoraShrinkOptions { Plan = Split(2) };
        DeviceBuffer<float> workspace = data.Buffer(new float[LoraOperators.ShrinkWorkspaceLength(1, Tokens, 6, options)]);
        long before = Device.AllocationCount;
        Device.Lora.BuildAdapterMap(mapping.View, map.View, status.View);
        Device.Lora.CheckAdapterMap(map.View, Adapters, status.View);
        Device.Lora.Shrink(problem.Input, [problem.Slice], map.View, 1f, output.View, workspace.View, options);
        Device.Lora.Shrink(problem.Input, [problem.Slice], map.View, 1f, output.View, options: options with { Reduction = SplitReduction.Atomic });
        Device.Lora.Expand(problem.Input, [problem.Slice], map.View, output.View);
        Device.AllocationCount.Should().Be(before);
    }

    [Test]
    public void Matrices_give_what_views_give()
    {
        using var data = new LoraData(Device, new Random(15));
        Problem problem = Problem.Create(data, rank: 6, k: 50);
        using DeviceMatrix<float> x = Device.Upload<float>(problem.Values, Tokens, 50);
        using var slice = new LoraDeviceSlice<float>(Device, Adapters, 6, 50);
        slice.Values.CopyFrom(Array.ConvertAll(problem.Weights.Values, value => (float)value));
        using var map = new AdapterMap(Device, problem.Mapping, Adapters);
        using DeviceMatrix<float> shrunk = Device.Lora.Shrink(x, [slice], map, Problem.Scaling, new() { Plan = Split(2) });
        shrunk.ToArray().Should().Equal(problem.Shrink<float>(data, new() { Plan = Split(2) }));
        using var expanded = new DeviceMatrix<float>(Device, Tokens, 6);
        expanded.CopyFrom(new float[Tokens * 6]);
        Device.Lora.Expand(x, [slice], map, expanded);
        expanded.ToArray().Should().Equal(problem.Expand(data, new float[Tokens * 6], null));
    }

    private static LoraPlanOverrides Split(int splitK) => new() { TileM = 8, TileN = 4, TileK = 16, DepthLanes = 1, SplitK = splitK };

    private static void CheckShrink(QuantizationScheme inputScheme, QuantizationScheme weightScheme, int rank, int k, LoraPlanOverrides? plan)
    {
        using var data = new LoraData(Device, new Random(rank));
        (LoraInput<Float8E4M3> x, double[] values) = data.Input<Float8E4M3>(inputScheme, 1, Tokens, k);
        (LoraSlice<Float8E4M3> slice, AdapterWeights weights) = data.Slice<Float8E4M3>(weightScheme, Adapters, rank, k);
        int[] mapping = data.Mapping(Tokens, Adapters);
        DeviceMatrix<float> output = data.Output(new float[Tokens * rank], Tokens, rank);
        Device.Lora.Shrink(x, [slice], data.Map(mapping, Adapters), 1f, output.View, options: new() { Plan = plan });
        Compare.RelativeError(output.ToArray(), ReferenceOperators.LoraShrink(values, [weights], mapping, 1)).Should().BeLessThan(1e-5);
    }

    /// <summary>One slice of float32 weights, used as A by a shrink and as B by an expand.</summary>
    private sealed record Problem(LoraInput<float> Input, float[] Values, LoraSlice<float> Slice, AdapterWeights Weights, int[] Mapping)
    {
        public const float Scaling = 2f;

        public double[] Expected
            => ReferenceOperators.LoraShrink(Array.ConvertAll(Values, value => (double)value), [Weights], Mapping, Scaling);

        public static Problem Create(LoraData data, int rank, int k, int[]? mapping = null)
        {
            (LoraInput<float> x, double[] values) = data.Input<float>(null, 1, Tokens, k);
            (LoraSlice<float> slice, AdapterWeights weights) = data.Slice<float>(null, Adapters, rank, k);
            return new Problem(x, Array.ConvertAll(values, value => (float)value), slice, weights, mapping ?? data.Mapping(Tokens, Adapters));
        }

        public T[] Shrink<T>(LoraData data, LoraShrinkOptions? options)
            where T : unmanaged
        {
            int rank = Weights.Rows;
            DeviceMatrix<T> output = data.Output(new T[Tokens * rank], Tokens, rank);
            DeviceBuffer<float> workspace = data.Buffer(new float[LoraOperators.ShrinkWorkspaceLength(1, Tokens, rank, options)]);
            Device.Lora.Shrink(Input, [Slice], data.Map(Mapping, Adapters), Scaling, output.View, workspace.View, options);
            return output.ToArray();
        }

        public T[] Expand<T>(LoraData data, T[] before, LoraExpandOptions? options)
            where T : unmanaged
        {
            DeviceMatrix<T> output = data.Output(before, Tokens, Weights.Rows);
            Device.Lora.Expand(Input, [Slice], data.Map(Mapping, Adapters), output.View, options);
            return output.ToArray();
        }
    }
}
