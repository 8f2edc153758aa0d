using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>What the LoRA operators refuse, before anything is launched.</summary>
public sealed class LoraBadInputTests
{
    private const int Tokens = 6;
    private const int Adapters = 3;
    private const int Rank = 4;
    private const int K = 32;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    private LoraData data = null!;

    [SetUp]
    public void Open() => data = new LoraData(Device, new Random(1));

    [TearDown]
    public void Close() => data.Dispose();

    [Test]
    public void A_weight_of_another_depth_is_refused()
        => Refuses(() => Shrink(X(), [A(Rank, K + 1)], Output(Tokens, Rank)), "slices: shape [3, 4, 33]; expected K of x, 32");

    [Test]
    public void A_weight_of_a_higher_rank_is_refused()
        => Refuses(() => Expand(X(), [A(7, K + 1)], Output(Tokens, 7)), "slices: shape [3, 7, 33]; expected a rank of at most 32");

    [Test]
    public void Different_adapters_are_refused()
    {
        (LoraSlice<float> other, _) = data.Slice<float>(null, Adapters + 1, Rank, K);
        Refuses(() => Shrink(X(), [A(Rank, K), other], Output(2 * Tokens, Rank)), "slices[1]: shape [4, 4, 32]; expected the 3 adapters");
    }

    [Test]
    public void Types_that_are_no_pair_leave_the_output_as_it_is()
    {
        (LoraInput<BFloat16> x, _) = data.Input<BFloat16>(null, 1, Tokens, K);
        (LoraSlice<Half> a, _) = data.Slice<Half>(null, Adapters, Rank, K);
        using DeviceMatrix<float> output = Device.Upload<float>(Enumerable.Repeat(7f, Tokens * Rank).ToArray(), Tokens, Rank);
        var atomic = new LoraShrinkOptions { Plan = new() { SplitK = 2 }, Reduction = SplitReduction.Atomic };
        Refuses(
            () => Device.Lora.Shrink(x, [a], Map(), 1f, output.View, options: atomic), "slices: element type Half with input of BFloat16; expected the same type");
        Refuses(() => Device.Lora.Expand(x, [a], Map(), output.View), "slices: element type Half with input of BFloat16; expected the same type");
        output.ToArray().Should().OnlyContain(value => value == 7f);
    }

    [Test]
    public void No_slices_are_refused()
        => Refuses(() => Shrink(X(), [], Output(0, 0)), "slices: 0; expected a positive number");

    [Test]
    public void An_output_of_another_shape_is_refused()
    {
        Refuses(() => Shrink(X(), [A(Rank, K)], Output(Tokens, Rank + 1)), "output: shape [6, 5]; expected [6, 4]");
        Refuses(() => Expand(X(), [A(7, K)], Output(Tokens, 6)), "output: shape [6, 6]; expected 6 rows and at least 7 columns from column 0");
        Refuses(
            () => Expand(X(), [A(7, K)], Output(Tokens, 9), new() { ColumnOffset = 3 }),
            "output: shape [6, 9]; expected 6 rows and at least 7 columns from column 3");
        Refuses(
            () => Expand(X(), [A(7, K)], Output(Tokens, 9), new() { ColumnOffset = -1 }),
            "output: shape [6, 9]; expected 6 rows and at least 7 columns from column -1");
    }

    [Test]
    public void Input_of_other_slices_is_refused()
    {
        (LoraInput<float> two, _) = data.Input<float>(null, 2, Tokens, K);
        Refuses(() => Shrink(two, [A(Rank, K)], Output(Tokens, Rank)), "x: shape [2, 6, 32]; expected one slice");
        Refuses(() => Expand(two, [A(Rank, K)], Output(Tokens, Rank)), "y: shape [2, 6, 32]; expected [1, 6, rank]");
        Refuses(() => new LoraInput<float>(Output(5, 8).View, 2), "values: shape [5, 8]; expected rows for 2 slices");
    }

    [Test]
    public void A_map_of_other_tokens_is_refused()
    {
        AdapterMapView map = data.Map(new int[Tokens + 1], Adapters);
        Refuses(
            () => Device.Lora.Shrink(X(), [A(Rank, K)], map, 1f, Output(Tokens, Rank).View), "map: 7 tokens in 4 entries; expected 6 tokens");
        Refuses(
            () => Device.Lora.BuildAdapterMap(data.Buffer(new int[Tokens]).View, map), "mapping: length 6; expected 7");
        Refuses(
            () => Device.Lora.CheckAdapterMap(map, Adapters, data.Buffer(new int[3]).View), "status: length 3; expected 4");
        Refuses(
            () => new AdapterMapView(map.SortedTokens, map.Counts, map.Counts, map.AdapterIds), "starts: length 4; expected 5");
    }

    [Test]
    public void A_short_workspace_is_refused()
    {
        var options = new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 3 } };
        LoraOperators.ShrinkWorkspaceLength(1, Tokens, Rank, options).Should().Be(3 * Tokens * Rank);
        Refuses(() => Shrink(X(), [A(Rank, K)], Output(Tokens, Rank), options), "workspace: length 0; expected at least 72");
    }

    [Test]
    public void An_atomic_sum_of_another_type_is_refused()
    {
        var options = new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 3 }, Reduction = SplitReduction.Atomic };
        DeviceMatrix<Half> output = data.Output(new Half[Tokens * Rank], Tokens, Rank);
        Refuses(
            () => Device.Lora.Shrink(X(), [A(Rank, K)], Map(), 1f, output.View, options: options),
            "output: element type Half; expected Single for an atomic sum");
    }

    [Test]
    public void Element_types_that_do_not_go_together_are_refused()
    {
        (LoraInput<Half> x, _) = data.Input<Half>(null, 1, Tokens, K);
        var integers = new LoraInput<int>(new MatrixView<int>(data.Buffer(new int[Tokens * K]).View, Tokens, K));
        DeviceMatrix<float> output = Output(Tokens, Rank);
        Refuses(() => Device.Lora.Shrink(x, [A(Rank, K)], Map(), 1f, output.View), "slices: element type Single with input of Half");
        Refuses(() => Device.Lora.Shrink(integers, [A(Rank, K)], Map(), 1f, output.View), "x: element type Int32");
    }

    [Test]
    public void Codes_and_scales_that_do_not_fit_are_refused()
    {
        DeviceBuffer<Float8E4M3> codes = data.Buffer(new Float8E4M3[Adapters * Rank * K]);
        DeviceBuffer<float> scales = data.Buffer(new float[Adapters + 1]);
        Refuses(() => new LoraSlice<Float8E4M3>(codes.View, Adapters, Rank, K), "values: element type Float8E4M3 without scales");
        Refuses(
            () => new LoraSlice<Float8E4M3>(codes.View, scales.View, QuantizationScheme.Fp8Tensor, Adapters, Rank, K),
            "scales: length 4; expected 3 x 1 x 1");
        Refuses(
            () => new LoraSlice<Float8E4M3>(codes.View, scales.View, QuantizationScheme.Int8Block128, Adapters, Rank, K),
            "codes: format Int8; expected Float8E4M3");
        var matrix = new MatrixView<Float8E4M3>(codes.View, Adapters * Rank, K);
        var one = new MatrixView<float>(scales.View.SubView(0, 1), 1, 1);
        Refuses(() => new LoraInput<Float8E4M3>(matrix), "values: element type Float8E4M3 without scales");
        Refuses(() => new LoraInput<Float8E4M3>(matrix, one, QuantizationScheme.Fp8Token), "scales: shape [1, 1]; expected [12, 1]");
        Refuses(() => new LoraInput<Float8E4M3>(matrix, one, QuantizationScheme.Fp8Block128), "scheme: 128 rows a scale");
    }

    [Test]
    public void Layouts_that_do_not_fit_are_refused()
    {
        DeviceBuffer<float> values = data.Buffer(new float[Adapters * Rank * K]);
        Refuses(() => new LoraSlice<float>(values.View, Adapters + 1, Rank, K), "values: length 384; expected at least 512");
        Refuses(() => new LoraSlice<float>(values.View, 1, Rank, K, rowStride: K - 1), "values: strides 124 and 31");
        Refuses(() => new LoraSlice<float>(values.View, Adapters, Rank, K, adapterStride: Rank), "values: strides 4 and 32");
        Refuses(() => new LoraSlice<float>(values.View, 0, Rank, K), "Adapters: 0; expected a positive number");
    }

    [Test]
    public void Overlapping_memory_is_refused()
    {
        DeviceBuffer<float> memory = data.Buffer(new float[Tokens * K]);
        var x = new LoraInput<float>(new MatrixView<float>(memory.View, Tokens, K));
        var output = new MatrixView<float>(memory.View.SubView(8, Tokens * Rank), Tokens, Rank);
        Refuses(() => Device.Lora.Shrink(x, [A(Rank, K)], Map(), 1f, output), "output: overlaps x");
        Refuses(() => Device.Lora.Expand(x, [A(Rank, K)], Map(), output), "output: overlaps y");
        var split = new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 2 } };
        MatrixView<float> separate = Output(Tokens, Rank).View;
        Refuses(() => Device.Lora.Shrink(x, [A(Rank, K)], Map(), 1f, separate, memory.View, split), "workspace: overlaps x");
    }

    [Test]
    public void Disposed_operands_are_refused()
    {
        var map = new AdapterMap(Device, new int[Tokens], Adapters);
        AdapterMapView stale = map.View;
        map.Dispose();
        FluentActions.Invoking(() => map.View).Should().Throw<ObjectDisposedException>();
        FluentActions.Invoking(() => Device.Lora.Shrink(X(), [A(Rank, K)], stale, 1f, Output(Tokens, Rank).View))
            .Should().Throw<ObjectDisposedException>();
    }

    [Test]
    public void Impossible_plans_are_refused()
    {
        Refuses(() => ShrinkBy(new() { TileM = 12 }), "LoRA plan: TileM is 12; expected a positive multiple of 8");
        Refuses(() => ShrinkBy(new() { TileM = 136 }), "TileM is 136; expected at most 128");
        Refuses(() => ShrinkBy(new() { TileK = 0 }), "LoRA plan: TileK is 0; expected a positive multiple of 1");
        Refuses(() => ShrinkBy(new() { TileK = 4096 }), "bytes of shared memory");
        Refuses(() => ShrinkBy(new() { DepthLanes = 5000 }), "lanes in a group");
        Refuses(() => Expand(X(), [A(7, K)], Output(Tokens, 7), new() { Plan = new() { SplitK = 2 } }), "options: split-k 2; expected 1");
    }

    private void ShrinkBy(LoraPlanOverrides plan) => Shrink(X(), [A(Rank, K)], Output(Tokens, Rank), new() { Plan = plan });

    private LoraInput<float> X() => data.Input<float>(null, 1, Tokens, K).Input;

    private LoraSlice<float> A(int rows, int columns) => data.Slice<float>(null, Adapters, rows, columns).Slice;

    private AdapterMapView Map() => data.Map(new int[Tokens], Adapters);

    private DeviceMatrix<float> Output(int rows, int columns) => data.Output(new float[rows * columns], rows, columns);

    private void Shrink(LoraInput<float> x, LoraSlice<float>[] slices, DeviceMatrix<float> output, LoraShrinkOptions? options = null)
        => Device.Lora.Shrink(x, slices, Map(), 1f, output.View, options: options);

    private void Expand(LoraInput<float> y, LoraSlice<float>[] slices, DeviceMatrix<float> output, LoraExpandOptions? options = null)
        => Device.Lora.Expand(y, slices, Map(), output.View, options);

    private static void Refuses(Action action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
