using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>From the experts of each token to sorted rows, and back.</summary>
public sealed class RoutingTests
{
    private const int TileM = 16;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static Config Checks => Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 5 : 30);

    [Test]
    public void Rows_are_sorted_by_expert_token_and_slot()
        => Prop.ForAll(Routings.ToArbitrary(), routing => CheckRouting(RandomIds(routing), routing.TopK, routing.Experts)).Check(Checks);

    [TestCase(0, 1, 4)]
    [TestCase(1, 1, 1)]
    [TestCase(256, 1, 3)]
    [TestCase(257, 1, 3)]
    [TestCase(1000, 2, 300)]
    public void Chunks_and_many_experts_are_sorted_too(int tokens, int topK, int experts)
        => CheckRouting(RandomIds((tokens, topK, experts, 1)), topK, experts);

    [Test]
    public void One_expert_may_have_all_rows() => CheckRouting(Enumerable.Repeat(2, 600).ToArray(), 2, 4);

    [Test]
    public void Ids_that_are_no_expert_are_told_and_go_nowhere()
    {
        // More chunks of ids than a processor's group has lanes.
        int[] ids = Enumerable.Range(0, 2400).Select(i => i % 3).ToArray();
        (ids[7], ids[300], ids[2100]) = (3, -1, int.MaxValue);
        using DeviceMatrix<int> deviceIds = Device.Upload<int>(ids, 1200, 2);
        using var table = new ExpertRoutingTable(Device, 1200, 2, 3);
        using var status = new DeviceStatus(Device);
        Device.Routing.Route(deviceIds.View, table.View, table.Workspace.View, status.View);
        status.Read().Should().Be(new DeviceFault(DeviceStatusCode.ExpertOutOfRange, 7, 3, 3));
        int[] slots = Enumerable.Range(0, 2400).Where(slot => slot is not (7 or 300 or 2100)).OrderBy(slot => ids[slot]).ToArray();
        table.RowSlots.ToArray().Should().Equal([.. slots, -1, -1, -1]);
        table.SlotRows.ToArray().Should().Equal(Enumerable.Range(0, 2400).Select(slot => Array.IndexOf(slots, slot)));
        table.Counts.ToArray().Should().Equal(798, 799, 800);
        table.Indptr.ToArray().Should().Equal(0, 798, 1597, 2397);

        // What such a slot would have had is zero in the rows, and nothing in the sum.
        using DeviceMatrix<float> x = Device.Upload<float>(Enumerable.Repeat(5f, 1200).ToArray(), 1200, 1);
        using DeviceMatrix<float> rows = Device.Routing.Gather(x, table);
        rows.ToArray().Should().Equal([.. Enumerable.Repeat(5f, 2397), 0f, 0f, 0f]);
        using DeviceMatrix<float> weights = Device.Upload<float>(Enumerable.Repeat(1f, 2400).ToArray(), 1200, 2);
        using DeviceMatrix<float> sums = Device.Routing.Combine(rows, weights, table);
        sums.ToArray().Should().Equal(Enumerable.Range(0, 1200).Select(token => token is 3 or 150 or 1050 ? 5f : 10f));
    }

    [Test]
    public void Bad_operands_are_refused()
    {
        using var table = new ExpertRoutingTable(Device, 4, 2, 3);
        using var ids = new DeviceMatrix<int>(Device, 4, 2);
        using var x = new DeviceMatrix<float>(Device, 4, 5);
        using var rows = new DeviceMatrix<float>(Device, 8, 5);
        using var wide = new DeviceMatrix<double>(Device, 4, 5);
        using var wideRows = new DeviceMatrix<double>(Device, 8, 5);
        Refuses(() => Device.Routing.Route([0, 1, 5, 2], 2, 3), "expertIds: expert id 5 at 2; expected 0 to 2");
        Refuses(() => Device.Routing.Route([0, 1, 2], 2, 3), "expertIds: length 3; expected a multiple of 2");
        Refuses(() => Device.Routing.Route(ids.View, default, default), "routing");
        Refuses(() => Device.Routing.Route(new(ids.View.Data, 2, 4), table.View, table.Workspace.View), "expertIds: shape [2, 4]; expected [4, 2]");
        Refuses(() => Device.Routing.Route(ids.View, table.View, table.Workspace.View.SubView(1)), "workspace: length 3; expected 4");
        Refuses(() => Device.Routing.Route(table.View.SlotRows, table.View, table.Workspace.View), "expertIds: overlaps rows of slots");
        Refuses(() => Device.Routing.Gather(rows.View, table.View, rows.View), "source: shape [8, 5]; expected [4, 5]");
        Refuses(() => Device.Routing.Gather(wide.View, table.View, wideRows.View), "source: elements of 8 bytes; expected 1, 2 or 4");
        Refuses(() => Device.Routing.Combine(x.View, x.View, table.View, x.View), "source: shape [4, 5]; expected [8, 5]");
        Refuses(() => Device.Routing.Combine(rows.View, x.View, table.View, x.View), "weights: shape [4, 5]; expected [4, 2]");
        Refuses(() => Device.Routing.MapTiles(ids.View.Data.SubView(0, 3), 4, 0, table.Workspace.View), "tileM: 0; expected a positive number");
    }

    [Test]
    public void Gathered_rows_are_those_of_their_tokens()
    {
        int[] ids = RandomIds((20, 3, 4, 2));
        using ExpertRoutingTable table = Device.Routing.Route(ids, 3, 4);
        int[] slots = table.RowSlots.ToArray();
        CheckGather(Enumerable.Range(0, 20 * 7).Select(i => (byte)i).ToArray());
        CheckGather(Array.ConvertAll(RandomData.Normal(new Random(3), 20 * 7), value => (Half)value));
        CheckGather(RandomData.Normal(new Random(4), 20 * 7));

        void CheckGather<T>(T[] values)
            where T : unmanaged
        {
            using DeviceMatrix<T> x = Device.Upload<T>(values, 20, 7);
            using DeviceMatrix<T> rows = Device.Routing.Gather(x, table);
            rows.ToArray().Should().Equal(slots.SelectMany(slot => values.Skip(slot / 3 * 7).Take(7)));
        }
    }

    [Test]
    public void Combined_rows_are_summed_in_the_order_of_the_slots()
    {
        // In the other order the 3 would be lost.
        float[] values = [1e8f, -1e8f, 3f, 5f, 7f, 1e8f];
        using ExpertRoutingTable table = Device.Routing.Route([2, 0, 1, 1, 2, 0], 3, 3);
        int[] slots = table.RowSlots.ToArray();
        using DeviceMatrix<float> rows = Device.Upload<float>(Array.ConvertAll(slots, slot => values[slot]), 6, 1);
        using DeviceMatrix<float> weights = Device.Upload<float>([1f, 1f, 1f, 2f, 1f, 0.5f], 2, 3);
        using DeviceMatrix<float> sums = Device.Routing.Combine(rows, weights, table);
        sums.ToArray().Should().Equal(3f, 10f + 7f + 5e7f);
    }

    [Test]
    public void A_mixture_is_the_weighted_sum_of_its_experts()
    {
        var random = new Random(5);
        const int Tokens = 11;
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 4, 9, 70, ExpertOperands.Blocks(8, 32));
        int[] ids = RandomIds((Tokens, 2, 4, 6));
        float[] x = RandomData.Normal(random, Tokens * 70);
        float[] gates = Enumerable.Range(0, Tokens * 2).Select(_ => random.NextSingle()).ToArray();
        using ExpertRoutingTable table = Device.Routing.Route(ids, 2, 4);
        using DeviceMatrix<float> tokens = Device.Upload<float>(x, Tokens, 70);
        using DeviceMatrix<float> sorted = Device.Routing.Gather(tokens, table);
        using var products = new DeviceMatrix<float>(Device, Tokens * 2, 9);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(4));
        Device.Fp8.MultiplyGrouped(sorted.View, experts.Weights.View, table.View.Indptr, products.View, workspace.View);
        using DeviceMatrix<float> weights = Device.Upload<float>(gates, Tokens, 2);
        using DeviceMatrix<float> mixture = Device.Routing.Combine(products, weights, table);

        float[] slots = Enumerable.Range(0, Tokens * 2).SelectMany(slot => x.Skip(slot / 2 * 70).Take(70)).ToArray();
        double[] product = experts.Product(slots, ids);
        double[] expected = ReferenceOperators.CombineExperts(product, Enumerable.Range(0, Tokens * 2).ToArray(), gates, 2);
        Compare.RelativeError(mixture.ToArray(), expected).Should().BeLessThan(1e-5);
    }

    [TestCase(new[] { 0, 5, 5, 21 }, 8)]
    [TestCase(new[] { 0, 0 }, 16)]
    public void Tiles_are_those_of_the_map(int[] ends, int tileM)
    {
        using DeviceBuffer<int> offsets = Device.Upload<int>(ends);
        using DeviceBuffer<int> tiles = Device.Allocate<int>(ends.Length + 1);
        Device.Routing.MapTiles(offsets.View, ends[^1], tileM, tiles.View);
        tiles.ToArray().Should().Equal(ExpertTileMap.TileOffsets(ends, tileM));
    }

    private static Gen<(int Tokens, int TopK, int Experts, int Seed)> Routings =>
        from tokens in Gen.Choose(0, 300)
        from topK in Gen.Choose(1, 8)
        from experts in Gen.Choose(1, 40)
        from seed in Gen.Choose(0, int.MaxValue)
        select (tokens, topK, experts, seed);

    private static int[] RandomIds((int Tokens, int TopK, int Experts, int Seed) routing)
    {
        var random = new Random(routing.Seed);
        return Enumerable.Range(0, routing.Tokens * routing.TopK).Select(_ => random.Next(routing.Experts)).ToArray();
    }

    private static void CheckRouting(int[] ids, int topK, int experts)
    {
        using ExpertRoutingTable table = Device.Routing.Route(ids, topK, experts);
        RoutedRows expected = ReferenceOperators.RouteExperts(ids, experts, TileM);
        table.SlotRows.ToArray().Should().Equal(expected.SlotRows);
        table.RowSlots.ToArray().Should().Equal(expected.RowSlots);
        table.Counts.ToArray().Should().Equal(expected.Counts);
        table.Indptr.ToArray().Should().Equal(expected.Indptr);
        using DeviceBuffer<int> tiles = Device.Allocate<int>(experts + 1);
        Device.Routing.MapTiles(table.Indptr.View, ids.Length, TileM, tiles.View);
        tiles.ToArray().Should().Equal(expected.TileOffsets);
    }

    private static void Refuses(Action action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
