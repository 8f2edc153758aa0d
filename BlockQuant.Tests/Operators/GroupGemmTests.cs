using BlockQuant.Reference;
using BlockQuant.Storage;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>Rows that are sorted by expert and quantized before.</summary>
public sealed class GroupGemmTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static Config Checks => Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 3 : 20);

    [Test]
    [Category("Golden")]
    public void Products_agree_with_finegrained_fp8_and_with_float64()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "grouped"))
        {
            using ExpertWeights<Float8E4M3> weights = GoldenExperts.Read(Device, golden, name);
            long[] shape = golden.Get(name + ".a").Shape;
            using var a = new QuantizedDeviceMatrix<Float8E4M3>(Device, shape[0], shape[1], QuantizationScheme.Fp8TokenGroup128);
            a.Codes.CopyFrom(golden.Read<Float8E4M3>(name + ".a"));
            a.Scales.CopyFrom(golden.Read<float>(name + ".a_scale"));
            int[] indptr = golden.Read<int>(name + ".indptr");
            double[] expected = golden.Read<double>(name + ".c_f64");
            using DeviceMatrix<float> single = Device.Fp8.MultiplyGrouped<float>(a, weights, indptr);
            Compare.RelativeError(single.ToArray(), expected).Should().BeLessThan(ExpertBlockTests.MaxError, name);
            using DeviceMatrix<BFloat16> bf16 = Device.Fp8.MultiplyGrouped<BFloat16>(a, weights, indptr);
            Compare.RelativeError(Compare.ToSingle(bf16.ToArray()), expected).Should().BeLessThan(GoldenExperts.HalfPrecisionError, name);
            Compare.RelativeError(Compare.ToSingle(bf16.ToArray()), Compare.ToSingle(golden.Read<BFloat16>(name + ".c")))
                .Should().BeLessThan(GoldenExperts.HalfPrecisionError, name);
        }
    }

    [Test]
    public void Products_of_ragged_shapes_are_those_of_the_reference()
        => Prop.ForAll(Shapes.ToArbitrary(), shape => CheckProduct(shape)).Check(Checks);

    [TestCase(ScaleGranularity.Token, ScaleGranularity.Channel)]
    [TestCase(ScaleGranularity.Tensor, ScaleGranularity.Tensor)]
    public void Coarser_scales_are_those_of_the_reference(ScaleGranularity activations, ScaleGranularity weights)
    {
        var random = new Random(1);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, 9, 70, new QuantizationScheme(ElementFormat.Float8E4M3, weights));
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 5 * 70), 5, 70, new QuantizationScheme(ElementFormat.Float8E4M3, activations));
        Compare.RelativeError(Product<float>(a, experts, [0, 2, 5]), experts.Product(a, [0, 2, 5])).Should().BeLessThan(1e-5);
    }

    [Test]
    public void Half_precision_results_are_rounded_once()
    {
        var random = new Random(2);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, 9, 70, ExpertOperands.Blocks(64, 64));
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 5 * 70), 5, 70, QuantizationScheme.Fp8TokenGroup128);
        float[] single = Product<float>(a, experts, [0, 2, 5]);
        Product<Half>(a, experts, [0, 2, 5]).Should().Equal(Array.ConvertAll(single, value => (Half)value));
        Product<BFloat16>(a, experts, [0, 2, 5]).Should().Equal(Array.ConvertAll(single, BFloat16.FromSingle));
    }

    [Test]
    public void Ends_and_indptr_say_the_same()
    {
        var random = new Random(3);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 3, 9, 70, ExpertOperands.Blocks(64, 64));
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, 5 * 70), 5, 70, QuantizationScheme.Fp8TokenGroup128);
        Product<float>(a, experts, [2, 2, 5]).Should().Equal(Product<float>(a, experts, [0, 2, 2, 5]));
    }

    [Test]
    public void A_kernel_is_compiled_once_however_many_threads_ask_first()
    {
        using var device = new CountingDevice(Device);
        var random = new Random(4);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, 8, 64, ExpertOperands.Blocks(64, 64));
        using var x = new DeviceMatrix<float>(Device, 4, 64);
        using var c = new DeviceMatrix<float>(Device, 4, 8);
        using DeviceBuffer<int> ends = Device.Upload<int>([1, 4]);
        using DeviceBuffer<int> ids = Device.Upload<int>([0, 1, 1, 0]);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(2));
        const int Threads = 8;
        using var start = new Barrier(Threads);
        var threads = new List<Thread>();
        for (int i = 0; i < Threads; i++)
        {
            var thread = new Thread(() =>
            {
                start.SignalAndWait();
                device.Fp8.MultiplyGrouped(x.View, experts.Weights.View, ends.View, c.View, workspace.View);
                device.Fp8.MultiplyBatched(x.View, experts.Weights.View, ids.View, c.View, default);
            });
            thread.Start();
            threads.Add(thread);
        }

        threads.ForEach(thread => thread.Join());

        // Another shape, block and number of experts needs no other kernel.
        using ExpertOperands others = ExpertOperands.Random(Device, random, 3, 16, 100, ExpertOperands.Blocks(32, 16));
        using var y = new DeviceMatrix<float>(Device, 5, 100);
        using var d = new DeviceMatrix<float>(Device, 5, 16);
        using DeviceBuffer<int> otherEnds = Device.Upload<int>([1, 4, 5]);
        using DeviceBuffer<int> otherWorkspace = Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(3));
        device.Fp8.MultiplyGrouped(y.View, others.Weights.View, otherEnds.View, d.View, otherWorkspace.View);

        device.Compilations.Should().HaveCount(3).And.OnlyHaveUniqueItems();
        device.Launches.Should().Be(Threads * 3 + 2);
    }

    [Test]
    public void Views_are_neither_allocated_for_nor_waited_for()
    {
        using var device = new CountingDevice(Device);
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(5), 2, 8, 64, ExpertOperands.Blocks(64, 64));
        using var x = new DeviceMatrix<float>(Device, 2, 64);
        using var rows = new DeviceMatrix<float>(Device, 4, 64);
        using var codes = new QuantizedDeviceMatrix<Float8E4M3>(Device, 4, 64, QuantizationScheme.Fp8TokenGroup128);
        using var c = new DeviceMatrix<float>(Device, 4, 8);
        using var mixture = new DeviceMatrix<float>(Device, 2, 8);
        using var ids = new DeviceMatrix<int>(Device, 2, 2);
        using var gates = new DeviceMatrix<float>(Device, 2, 2);
        using var table = new ExpertRoutingTable(Device, 2, 2, 2);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(2));
        using var status = new DeviceStatus(Device);
        device.Routing.Route(ids.View, table.View, table.Workspace.View, status.View);
        device.Routing.Gather(x.View, table.View, rows.View);
        device.Fp8.MultiplyBatched(rows.View, experts.Weights.View, ids.View.Data, c.View, default, status.View);
        device.Fp8.MultiplyGrouped(rows.View, experts.Weights.View, table.View.Indptr, c.View, workspace.View, status.View);
        device.Fp8.MultiplyGrouped(codes.View, experts.Weights.View, table.View.Indptr, c.View, workspace.View, status.View);
        device.Routing.MapTiles(table.View.Indptr, 4, 16, workspace.View, status.View);
        device.Routing.Combine(c.View, gates.View, table.View, mixture.View);
        device.Launches.Should().Be(3 + 1 + 2 + 2 + 2 + 1 + 1);
        device.Allocations.Should().Be(0);
        device.Synchronizations.Should().Be(0);
    }

    private static Gen<(int[] Counts, int N, int K, int BlockRows, int BlockColumns, int Group, int Seed)> Shapes =>
        from experts in Gen.Choose(1, 5)
        from counts in Gen.Choose(0, 20).ArrayOf(experts)
        from n in Gen.Choose(1, 40)
        from k in Gen.Choose(1, 200)
        from blockRows in Gen.Choose(1, 140)
        from blockColumns in Gen.Choose(20, 140)
        from tokenGroup in Gen.Choose(20, 140)
        from seed in Gen.Choose(0, int.MaxValue)
        select (counts, n, k, blockRows, blockColumns, tokenGroup, seed);

    private static void CheckProduct((int[] Counts, int N, int K, int BlockRows, int BlockColumns, int Group, int Seed) shape)
    {
        var random = new Random(shape.Seed);
        using ExpertOperands experts = ExpertOperands.Random(
            Device, random, shape.Counts.Length, shape.N, shape.K, ExpertOperands.Blocks(shape.BlockRows, shape.BlockColumns));
        int rows = shape.Counts.Sum();
        QuantizedMatrix a = ReferenceOperators.QuantizeFp8(
            RandomData.Normal(random, rows * shape.K), rows, shape.K, QuantizationScheme.Fp8TokenGroup128 with { Block = new BlockShape(1, shape.Group) });
        int end = 0;
        int[] indptr = [0, .. shape.Counts.Select(count => end += count)];
        Compare.RelativeError(Product<float>(a, experts, indptr), experts.Product(a, indptr)).Should().BeLessThan(1e-5);
    }

    private static T[] Product<T>(QuantizedMatrix a, ExpertOperands experts, int[] offsets)
        where T : unmanaged
    {
        using QuantizedDeviceMatrix<Float8E4M3> activations = Device.Upload<Float8E4M3>(a);
        using DeviceMatrix<T> c = Device.Fp8.MultiplyGrouped<T>(activations, experts.Weights, offsets);
        return c.ToArray();
    }
}
