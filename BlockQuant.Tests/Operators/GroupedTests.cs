using BlockQuant.Scheduling;
using BlockQuant.Storage;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>Rows that are sorted by expert, quantized inside the product.</summary>
public sealed class GroupedTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static Config Checks => Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 3 : 20);

    [Test]
    [Category("Golden")]
    public void Products_agree_with_finegrained_fp8()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "grouped"))
        {
            using ExpertWeights<Float8E4M3> weights = GoldenExperts.Read(Device, golden, name);
            using DeviceMatrix<BFloat16> x = GoldenExperts.Activations(Device, golden, name);
            using DeviceMatrix<BFloat16> c = Device.Fp8.MultiplyGrouped(x, weights, golden.Read<int>(name + ".offsets"));
            GoldenExperts.CheckProduct(c, golden, name + ".c");
        }
    }

    [Test]
    public void Products_of_ragged_shapes_are_those_of_the_reference()
        => Prop.ForAll(Shapes.ToArbitrary(), shape => CheckProduct(shape)).Check(Checks);

    [Test]
    public void One_scale_an_expert_quantizes_whole_rows()
    {
        var random = new Random(1);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 9, 300, QuantizationScheme.Fp8Tensor);
        CheckProduct(experts, [2, 0, 3], random);
    }

    [Test]
    public void Shards_may_start_inside_a_scale_block()
    {
        var random = new Random(2);
        using ExpertOperands whole = ExpertOperands.Random(Device, random, 2, 50, 300, ExpertOperands.Blocks(32, 64));
        using ExpertOperands shard = whole.Shard(row: 41, column: 70);
        CheckProduct(shard, [2, 3], random);
    }

    [TestCase(new[] { 0, 0, 37, 0 })]
    [TestCase(new[] { 37, 0, 0, 0 })]
    [TestCase(new[] { 0, 17, 0, 16 })]
    [TestCase(new[] { 0, 0, 0, 0 })]
    public void Experts_may_have_no_rows_and_one_may_have_all(int[] counts)
    {
        var random = new Random(3);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, counts.Length, 9, 70, ExpertOperands.Blocks(8, 32));
        CheckProduct(experts, counts, random);
    }

    [Test]
    public void There_may_be_more_experts_than_lanes()
    {
        var random = new Random(4);
        int[] counts = Enumerable.Range(0, TestDevice.IsSlow ? 40 : 300).Select(_ => random.Next(2)).ToArray();
        using ExpertOperands experts = ExpertOperands.Random(Device, random, counts.Length, 3, 20, ExpertOperands.Blocks(8, 32));
        CheckProduct(experts, counts, random);
    }

    [Test]
    public void Quantizing_inside_is_quantizing_before()
    {
        var random = new Random(5);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 33, 200, ExpertOperands.Blocks(32, 64));
        int[] ends = [4, 4, 21];
        using DeviceMatrix<float> x = Device.Upload<float>(RandomData.Normal(random, 21 * 200), 21, 200);
        using QuantizedDeviceMatrix<Float8E4M3> codes =
            Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128 with { Block = new BlockShape(1, 64) });
        using DeviceMatrix<float> inside = Device.Fp8.MultiplyGrouped(x, experts.Weights, ends);
        using DeviceMatrix<float> before = Device.Fp8.MultiplyGrouped<float>(codes, experts.Weights, ends);
        inside.ToArray().Should().Equal(before.ToArray());
    }

    [Test]
    public void Permuted_experts_give_the_same_rows()
    {
        var random = new Random(6);
        int[] counts = [5, 0, 18, 2];
        int[] order = [2, 0, 3, 1];
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 4, 21, 150, ExpertOperands.Blocks(16, 64));
        using ExpertOperands permuted = experts.Permuted(order);
        float[] x = RandomData.Normal(random, 25 * 150);
        float[] c = Product(x, experts, counts);
        int[] begins = [0, 5, 5, 23];
        float[] moved = order.SelectMany(i => x.Skip(begins[i] * 150).Take(counts[i] * 150)).ToArray();
        float[] expected = order.SelectMany(i => c.Skip(begins[i] * 21).Take(counts[i] * 21)).ToArray();
        Product(moved, permuted, Array.ConvertAll(order, i => counts[i])).Should().Equal(expected);
    }

    [Test]
    public void A_row_does_not_depend_on_the_other_rows()
    {
        var random = new Random(7);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 21, 150, ExpertOperands.Blocks(16, 64));
        var plan = new TilePlanOverrides { TileM = 16 };
        float[] x = RandomData.Normal(random, 30 * 150);
        float[] among = Product(x, experts, [3, 20, 7], plan);
        float[] alone = Product(x.AsSpan(21 * 150, 150).ToArray(), experts, [0, 1, 0], plan);
        alone.Should().Equal(among.AsSpan(21 * 21, 21).ToArray());
    }

    [TestCase(8, 4, 1, 1, 1)]
    [TestCase(16, 8, 7, 2, 3)]
    [TestCase(8, 16, 100, 3, 2)]
    public void Every_plan_gives_the_same_product(int tileM, int tileN, int tileK, int groupM, int stages)
    {
        var random = new Random(8);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 21, 150, ExpertOperands.Blocks(16, 64));
        CheckProduct(experts, [17, 0, 4], random, new TilePlanOverrides { TileM = tileM, TileN = tileN, TileK = tileK, GroupM = groupM, Stages = stages });
    }

    [TestCase(new[] { 2, 1, 5 }, "offset 1 at 1; expected at least 2, the offset before it")]
    [TestCase(new[] { -1, 1, 5 }, "offset -1 at 0; expected at least 0, the offset before it")]
    [TestCase(new[] { 2, 3, 4 }, "last offset 4 at 2; expected 5, the number of rows")]
    [TestCase(new[] { 2, 3, 6 }, "last offset 6 at 2; expected 5, the number of rows")]
    [TestCase(new[] { 9, 3, 5 }, "offset 3 at 1; expected at least 9, the offset before it")]
    [TestCase(new[] { 0, int.MaxValue, int.MinValue }, "offset -2147483648 at 2; expected at least 2147483647, the offset before it")]
    [TestCase(new[] { 1, 2, 3, 5 }, "offset 1 at 0; expected 0")]
    [TestCase(new[] { 0, 2, 1, 5 }, "offset 1 at 2; expected at least 2, the offset before it")]
    [TestCase(new[] { 0, 2, 3, 4 }, "last offset 4 at 3; expected 5, the number of rows")]
    public void Wrong_offsets_are_told_and_nothing_is_written(int[] offsets, string message)
    {
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(9), 3, 6, 70, ExpertOperands.Blocks(64, 64));
        using var x = new DeviceMatrix<float>(Device, 5, 70);
        x.CopyFrom(new float[5 * 70]);
        using DeviceMatrix<float> c = Device.Upload<float>(Enumerable.Repeat(-77f, 30).ToArray(), 5, 6);
        using DeviceBuffer<int> deviceOffsets = Device.Upload<int>(offsets);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(3));
        using var status = new DeviceStatus(Device);
        Device.Fp8.MultiplyGrouped(x.View, experts.Weights.View, deviceOffsets.View, c.View, workspace.View, status.View);
        status.Read().ToString().Should().Be(message);
        c.ToArray().Should().OnlyContain(value => value == -77f);

        // Without a status the output is left alone just the same; with the offsets on the host nothing is launched.
        Device.Fp8.MultiplyGrouped(x.View, experts.Weights.View, deviceOffsets.View, c.View, workspace.View);
        c.ToArray().Should().OnlyContain(value => value == -77f);
        Refuses(() => Device.Fp8.MultiplyGrouped(x, experts.Weights, offsets), $"offsets: {message}");
    }

    [Test]
    public void Bad_operands_are_refused()
    {
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(10), 3, 6, 70, ExpertOperands.Blocks(64, 64));
        ExpertWeightsView<Float8E4M3> weights = experts.Weights.View;
        using var a = new DeviceMatrix<float>(Device, 2, 70);
        using var c = new DeviceMatrix<float>(Device, 2, 6);
        using DeviceBuffer<int> integers = Device.Allocate<int>(16);
        ILGPU.ArrayView<int> ends = integers.View.SubView(0, 3);
        ILGPU.ArrayView<int> workspace = integers.View.SubView(4, 4);
        Refuses(() => Device.Fp8.MultiplyGrouped(a, experts.Weights, [0, 2]), "offsets: length 2; expected 3, the cumulative ends, or 4, an indptr");
        Refuses(() => Device.Fp8.MultiplyGrouped(a.View, weights, integers.View.SubView(0, 2), c.View, workspace), "offsets: length 2");
        Refuses(() => Device.Fp8.MultiplyGrouped(a.View, weights, ends, c.View, workspace.SubView(0, 3)), "workspace: length 3; expected at least 4");
        Refuses(() => Device.Fp8.MultiplyGrouped(a.View, weights, ends, c.View, integers.View.SubView(2, 4)), "workspace: overlaps offsets");
        Refuses(() => Device.Fp8.MultiplyGrouped(a.View, weights, ends, a.View, workspace), "output: shape [2, 70]; expected [2, 6]");
        Refuses(
            () => Device.Fp8.MultiplyGrouped(a.View, weights, ends, c.View, workspace, default, new TilePlanOverrides { TileM = 12 }),
            "TileM is 12; expected a positive multiple of 8");
        FluentActions.Invoking(() => Device.Fp8.MultiplyGrouped((DeviceMatrix<float>)null!, experts.Weights, [0, 0, 0])).Should().Throw<ArgumentNullException>();
    }

    private static Gen<(int[] Counts, int N, int K, int BlockRows, int BlockColumns, int Seed)> Shapes =>
        from experts in Gen.Choose(1, 5)
        from counts in Gen.Choose(0, 20).ArrayOf(experts)
        from n in Gen.Choose(1, 40)
        from k in Gen.Choose(1, 200)
        from blockRows in Gen.Choose(1, 140)
        from blockColumns in Gen.Choose(20, 140)
        from seed in Gen.Choose(0, int.MaxValue)
        select (counts, n, k, blockRows, blockColumns, seed);

    private static void CheckProduct((int[] Counts, int N, int K, int BlockRows, int BlockColumns, int Seed) shape)
    {
        var random = new Random(shape.Seed);
        using ExpertOperands experts = ExpertOperands.Random(
            Device, random, shape.Counts.Length, shape.N, shape.K, ExpertOperands.Blocks(shape.BlockRows, shape.BlockColumns));
        CheckProduct(experts, shape.Counts, random);
    }

    private static void CheckProduct(ExpertOperands experts, int[] counts, Random random, TilePlanOverrides? plan = null)
    {
        float[] x = RandomData.Normal(random, counts.Sum() * (int)experts.Weights.Columns);
        int[] ids = counts.SelectMany((count, expert) => Enumerable.Repeat(expert, count)).ToArray();
        Compare.RelativeError(Product(x, experts, counts, plan), experts.Product(x, ids)).Should().BeLessThan(1e-5);
    }

    private static float[] Product(float[] x, ExpertOperands experts, int[] counts, TilePlanOverrides? plan = null)
    {
        int rows = 0;
        int[] ends = Array.ConvertAll(counts, count => rows += count);
        using DeviceMatrix<float> a = Device.Upload<float>(x, rows, experts.Weights.Columns);
        using DeviceMatrix<float> c = Device.Fp8.MultiplyGrouped(a, experts.Weights, ends, plan);
        return c.ToArray();
    }

    private static void Refuses(Action action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
