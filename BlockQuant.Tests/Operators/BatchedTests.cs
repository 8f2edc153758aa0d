using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Storage;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>Each row by the weights of its own expert.</summary>
public sealed class BatchedTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static readonly Kernel<BatchedMatmulArguments<float>> TestedKernel =
        new($"{nameof(BatchedMatmulKernel)}<{nameof(Float32Element)}, {nameof(Kernels.Portable.Float8Format)}>", BatchedMatmulKernel.Run<Kernels.Portable.Float8Format, float, Float32Element>);

    private static Config Checks => Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 4 : 25);

    [Test]
    [Category("Golden")]
    public void Products_agree_with_finegrained_fp8()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "batched"))
        {
            using ExpertWeights<Float8E4M3> weights = GoldenExperts.Read(Device, golden, name);
            using DeviceMatrix<BFloat16> x = GoldenExperts.Activations(Device, golden, name);
            using DeviceMatrix<BFloat16> c = Device.Fp8.MultiplyBatched(x, weights, golden.Read<int>(name + ".expert_ids"));
            GoldenExperts.CheckProduct(c, golden, name + ".c");
        }
    }

    [Test]
    public void Products_of_ragged_shapes_are_those_of_the_reference()
        => Prop.ForAll(Shapes.ToArbitrary(), shape => CheckProduct(shape)).Check(Checks);

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(8)]
    public void Lanes_may_share_a_column_and_groups_take_turns(int lanesPerColumn)
    {
        // Only graphics processors get such launches from the operator.
        var random = new Random(2);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 21, 150, ExpertOperands.Blocks(16, 64));
        int[] ids = [1, 0, 7, 2];
        float[] x = RandomData.Normal(random, ids.Length * 150);
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, 150);
        using DeviceBuffer<int> deviceIds = Device.Upload<int>(ids);
        using DeviceMatrix<float> c = Device.Upload<float>(new float[ids.Length * 21], ids.Length, 21);
        var arguments = new BatchedMatmulArguments<float>
        {
            Activations = a.View.Data,
            Weights = Operands.Weights(experts.Weights.View),
            ExpertIds = deviceIds.View,
            Output = c.View.Data,
            Experts = 3,
            LanesPerColumn = lanesPerColumn,
        };
        Device.Launch(TestedKernel, new LaunchShape(2, 8), arguments, null);
        double[] expected = experts.Product(x, [1, 0, 0, 2]);
        expected.AsSpan(2 * 21, 21).Clear();
        Compare.RelativeError(c.ToArray(), expected).Should().BeLessThan(1e-5);
    }

    [TestCase(ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.Channel)]
    public void Coarser_scales_quantize_whole_rows(ScaleGranularity granularity)
    {
        // Deeper than one stretch of shared memory.
        var random = new Random(3);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 9, 1500, new QuantizationScheme(ElementFormat.Float8E4M3, granularity));
        int[] ids = [2, 0, 2, 1];
        float[] x = RandomData.Normal(random, ids.Length * 1500);
        Compare.RelativeError(Product(x, experts, ids), experts.Product(x, ids)).Should().BeLessThan(1e-5);
    }

    [Test]
    public void Shards_may_start_inside_a_scale_block()
    {
        var random = new Random(4);
        using ExpertOperands whole = ExpertOperands.Random(Device, random, 2, 50, 300, ExpertOperands.Blocks(32, 64));
        using ExpertOperands shard = whole.Shard(row: 41, column: 70);
        int[] ids = [1, 0, 1];
        float[] x = RandomData.Normal(random, ids.Length * 230);
        Compare.RelativeError(Product(x, shard, ids), shard.Product(x, ids)).Should().BeLessThan(1e-5);
    }

    [Test]
    public void Permuted_experts_give_the_same_rows()
    {
        var random = new Random(5);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 4, 21, 150, ExpertOperands.Blocks(16, 64));
        int[] order = [2, 0, 3, 1];
        using ExpertOperands permuted = experts.Permuted(order);
        int[] ids = [0, 1, 2, 3, 3, 1];
        float[] x = RandomData.Normal(random, ids.Length * 150);
        Product(x, permuted, Array.ConvertAll(ids, id => Array.IndexOf(order, id))).Should().Equal(Product(x, experts, ids));
    }

    [Test]
    public void A_row_does_not_depend_on_the_other_rows()
    {
        var random = new Random(6);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 21, 150, ExpertOperands.Blocks(16, 64));
        float[] x = RandomData.Normal(random, 5 * 150);
        float[] among = Product(x, experts, [1, 0, 2, 2, 1]);
        float[] alone = Product(x.AsSpan(3 * 150, 150).ToArray(), experts, [2]);
        alone.Should().Equal(among.AsSpan(3 * 21, 21).ToArray());
    }

    [Test]
    public void Half_precision_rows_give_half_precision_results()
    {
        var random = new Random(7);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, 10, 140, ExpertOperands.Blocks(128, 128));
        int[] ids = [1, 0];
        Half[] x = Array.ConvertAll(RandomData.Normal(random, 2 * 140), value => (Half)value);
        using DeviceMatrix<Half> a = Device.Upload<Half>(x, 2, 140);
        using DeviceMatrix<Half> c = Device.Fp8.MultiplyBatched(a, experts.Weights, ids);
        double[] expected = experts.Product(Compare.ToSingle(x), ids);
        c.ToArray().Should().Equal(Array.ConvertAll(expected, value => (Half)value), (found, value) => Math.Abs((double)(found - value)) <= 0.002 * Math.Abs((double)value));
    }

    [Test]
    public void A_row_that_is_not_finite_is_not_a_number()
    {
        var random = new Random(8);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, 6, 128, ExpertOperands.Blocks(128, 128));
        float[] x = RandomData.Normal(random, 2 * 128);
        x[7] = float.NegativeInfinity;
        float[] c = Product(x, experts, [0, 1]);
        c.Take(6).Should().OnlyContain(value => float.IsNaN(value));
        c.Skip(6).Should().NotContain(value => float.IsNaN(value));
    }

    [Test]
    public void No_rows_give_no_rows()
    {
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(9), 2, 6, 128, ExpertOperands.Blocks(128, 128));
        Product([], experts, []).Should().BeEmpty();
    }

    [Test]
    public void An_id_that_is_no_expert_is_told_and_its_row_left_alone()
    {
        var random = new Random(10);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 6, 70, ExpertOperands.Blocks(64, 64));
        int[] ids = [0, 2, 3, 1, -1, 2];
        float[] x = RandomData.Normal(random, ids.Length * 70);
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, 70);
        using DeviceBuffer<int> deviceIds = Device.Upload<int>(ids);
        using DeviceMatrix<float> c = Device.Upload<float>(Enumerable.Repeat(-77f, ids.Length * 6).ToArray(), ids.Length, 6);
        using var status = new DeviceStatus(Device);
        Device.Fp8.MultiplyBatched(a.View, experts.Weights.View, deviceIds.View, c.View, default, status.View);

        status.Read().Should().Be(new DeviceFault(DeviceStatusCode.ExpertOutOfRange, 2, 3, 3));
        float[] found = c.ToArray();
        float[] expected = Product(x, experts, [0, 2, 0, 1, 0, 2]);
        for (int row = 0; row < ids.Length; row++)
        {
            float[] expectedRow = row is 2 or 4 ? Enumerable.Repeat(-77f, 6).ToArray() : expected.AsSpan(row * 6, 6).ToArray();
            found.AsSpan(row * 6, 6).ToArray().Should().Equal(expectedRow, $"row {row}");
        }

        // The first finding stays until it is cleared.
        deviceIds.CopyFrom([-5, 2, 3, 1, -1, 2]);
        Device.Fp8.MultiplyBatched(a.View, experts.Weights.View, deviceIds.View, c.View, default, status.View);
        status.Read().Index.Should().Be(2);
        status.Clear();
        status.Read().Code.Should().Be(DeviceStatusCode.None);
        Device.Fp8.MultiplyBatched(a.View, experts.Weights.View, deviceIds.View, c.View, default, status.View);
        status.Read().ToString().Should().Be("expert id -5 at 0; expected 0 to 2");
    }

    [Test]
    public void Bad_operands_are_refused()
    {
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(11), 3, 6, 70, ExpertOperands.Blocks(64, 64));
        using var a = new DeviceMatrix<float>(Device, 2, 70);
        using var narrow = new DeviceMatrix<float>(Device, 2, 64);
        using var c = new DeviceMatrix<float>(Device, 2, 6);
        using var ids = new DeviceMatrix<int>(Device, 1, 2);
        ExpertWeightsView<Float8E4M3> weights = experts.Weights.View;
        Refuses(() => Device.Fp8.MultiplyBatched(a, experts.Weights, [0, 3]), "expertIds: expert id 3 at 1; expected 0 to 2");
        Refuses(() => Device.Fp8.MultiplyBatched(a, experts.Weights, [0]), "expertIds: length 1; expected 2");
        Refuses(() => Device.Fp8.MultiplyBatched(narrow, experts.Weights, [0, 1]), "weights: shape [3, 6, 70]; expected [E, N, 64]");
        Refuses(() => Device.Fp8.MultiplyBatched(a.View, weights, ids.View.Data, narrow.View, default), "output: shape [2, 64]; expected [2, 6]");
        Refuses(() => Device.Fp8.MultiplyBatched(a.View, default, ids.View.Data, c.View, default), "weights");
        Refuses(() => Device.Fp8.MultiplyBatched(a.View, weights, ids.View.Data, c.View, default, ids.View.Data), "status: length 2; expected 4");
        Refuses(() => new ExpertWeightsView<Float8E4M3>(weights.Codes, weights.Scales, 3, 6, 71, weights.Scheme), "codes: length 1260; expected 3 x 6 x 71");
        Refuses(() => new ExpertWeightsView<Float8E4M3>(weights.Codes, weights.Scales, 3, 35, 12, weights.Scheme), "scales: length 6; expected 3 x 1 x 1");
        Refuses(
            () => Device.Fp8.MultiplyBatched(a.View, weights, ids.View.Data, new MatrixView<float>(a.View.Data.SubView(128, 12), 2, 6), default),
            "output: overlaps activations");
    }

    private static Gen<(int Rows, int Experts, int N, int K, int BlockRows, int BlockColumns, int Seed)> Shapes =>
        from rows in Gen.Choose(1, 9)
        from experts in Gen.Choose(1, 5)
        from n in Gen.Choose(1, 70)
        from k in Gen.Choose(1, 300)
        from blockRows in Gen.Choose(1, 140)
        from blockColumns in Gen.Choose(1, 140)
        from seed in Gen.Choose(0, int.MaxValue)
        select (rows, experts, n, k, blockRows, blockColumns, seed);

    private static void CheckProduct((int Rows, int Experts, int N, int K, int BlockRows, int BlockColumns, int Seed) shape)
    {
        var random = new Random(shape.Seed);
        using ExpertOperands experts = ExpertOperands.Random(
            Device, random, shape.Experts, shape.N, shape.K, ExpertOperands.Blocks(shape.BlockRows, shape.BlockColumns));
        int[] ids = Enumerable.Range(0, shape.Rows).Select(_ => random.Next(shape.Experts)).ToArray();
        float[] x = RandomData.Normal(random, shape.Rows * shape.K);
        Compare.RelativeError(Product(x, experts, ids), experts.Product(x, ids)).Should().BeLessThan(1e-5);
    }

    private static float[] Product(float[] x, ExpertOperands experts, int[] ids)
    {
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, experts.Weights.Columns);
        using DeviceMatrix<float> c = Device.Fp8.MultiplyBatched(a, experts.Weights, ids);
        return c.ToArray();
    }

    private static void Refuses(Action action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
