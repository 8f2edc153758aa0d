using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>Tokens sorted by adapter, on the host and on the device, and what a wrong index does.</summary>
public sealed class AdapterMapTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    [TestCase(false)]
    [TestCase(true)]
    public void The_map_sorts_tokens_by_adapter_and_keeps_their_order(bool onDevice)
    {
        Gen<(int[] Mapping, int Adapters)> problems =
            from adapters in Gen.Choose(1, 9)
            from tokens in Gen.Choose(0, 60)
            from mapping in Gen.ArrayOf(Gen.Choose(-1, adapters - 1), tokens)
            select (mapping, adapters);
        Prop.ForAll(problems.ToArbitrary(), problem =>
        {
            using AdapterMap map = Build(Device, problem.Mapping, problem.Adapters, onDevice);
            Content found = Read(map);
            int[] sorted = [.. Enumerable.Range(0, problem.Mapping.Length).OrderBy(token => problem.Mapping[token])];
            found.SortedTokens.Should().Equal(sorted);
            found.Ids.Should().Equal(Enumerable.Range(-1, problem.Adapters + 1));
            for (int entry = 0; entry <= problem.Adapters; entry++)
            {
                found.Counts[entry].Should().Be(problem.Mapping.Count(adapter => adapter == entry - 1));
                found.Starts[entry].Should().Be(problem.Mapping.Count(adapter => adapter < entry - 1));
            }

            found.Starts[^1].Should().Be(problem.Mapping.Length);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(TestDevice.IsSlow ? 5 : 25).WithReplay(20261121, 7));
    }

    [Test]
    public void A_wrong_adapter_of_the_host_is_refused()
        => FluentActions.Invoking(() => new AdapterMap(Device, [0, -1, 3, 7], 3))
            .Should().Throw<ArgumentException>().WithMessage("mapping: adapter id 3 at 2; expected -1 to 2*");

    [TestCase(new[] { 0, -1, 3, -5 }, 2, 3)]
    [TestCase(new[] { 0, -1, 2, -2 }, 3, -2)]
    [TestCase(new[] { int.MaxValue, 0, 0, int.MinValue }, 0, int.MaxValue)]
    public void A_wrong_adapter_on_the_device_is_reported_and_counts_as_none(int[] mapping, int index, int found)
    {
        using var status = new DeviceStatus(Device);
        using DeviceBuffer<int> source = Device.Upload<int>(mapping);
        using var map = new AdapterMap(Device, mapping.Length, 3);
        Device.Lora.BuildAdapterMap(source.View, map.View, status.View);
        status.Read().Should().Be(new DeviceFault(DeviceStatusCode.AdapterOutOfRange, index, found, 3));
        Content content = Read(map);
        int[] known = Array.ConvertAll(mapping, adapter => adapter is >= 0 and < 3 ? adapter : -1);
        content.SortedTokens.Should().Equal(Enumerable.Range(0, mapping.Length).OrderBy(token => known[token]));
        content.Counts[0].Should().Be(known.Count(adapter => adapter < 0));
    }

    [Test]
    public void A_right_map_is_not_reported()
    {
        using var status = new DeviceStatus(Device);
        using AdapterMap map = Build(Device, [2, -1, 0, 0, 2], 3, onDevice: true);
        Device.Lora.CheckAdapterMap(map.View, 3, status.View);
        status.Read().Code.Should().Be(DeviceStatusCode.None);
    }

    [TestCase(new[] { -1, 0, 3 }, new[] { 1, 1, 2 }, new[] { 0, 1, 2, 4 }, new[] { 0, 1, 2, 3 }, DeviceStatusCode.AdapterOutOfRange, 2, 3, 2)]
    [TestCase(new[] { -2, 0, 1 }, new[] { 1, 1, 2 }, new[] { 0, 1, 2, 4 }, new[] { 0, 1, 2, 3 }, DeviceStatusCode.AdapterOutOfRange, 0, -2, 2)]
    [TestCase(new[] { -1, 0, 1 }, new[] { 1, -1, 2 }, new[] { 0, 1, 2, 4 }, new[] { 0, 1, 2, 3 }, DeviceStatusCode.OffsetsDecrease, 1, 0, 1)]
    [TestCase(new[] { -1, 0, 1 }, new[] { 1, 1, 2 }, new[] { -3, 1, 2, 4 }, new[] { 0, 1, 2, 3 }, DeviceStatusCode.OffsetsStart, 0, -3, 0)]
    [TestCase(new[] { -1, 0, 1 }, new[] { 1, 1, 3 }, new[] { 0, 1, 2, 4 }, new[] { 0, 1, 2, 3 }, DeviceStatusCode.OffsetsEnd, 2, 5, 4)]
    [TestCase(new[] { -1, 0, 1 }, new[] { 1, 1, 2 }, new[] { 0, 1, 2, 4 }, new[] { 0, 9, -1, 3 }, DeviceStatusCode.TokenOutOfRange, 1, 9, 4)]
    public void A_wrong_map_is_reported_and_writes_nothing_outside_the_output(
        int[] ids, int[] counts, int[] starts, int[] tokens, DeviceStatusCode code, int index, int found, int limit)
    {
        const int Tokens = 4;
        const int Rank = 5;
        const int K = 20;
        const int Margin = 32;
        using var data = new LoraData(Device, new Random(1));
        var map = new AdapterMapView(data.Buffer(tokens).View, data.Buffer(counts).View, data.Buffer(starts).View, data.Buffer(ids).View);
        using var status = new DeviceStatus(Device);
        Device.Lora.CheckAdapterMap(map, 2, status.View);
        status.Read().Should().Be(new DeviceFault(code, index, found, limit));

        (LoraInput<float> x, _) = data.Input<float>(null, 1, Tokens, K);
        (LoraSlice<float> a, _) = data.Slice<float>(null, 2, Rank, K);
        (LoraSlice<float> b, _) = data.Slice<float>(null, 2, Rank, K);
        var untouched = new float[Tokens * Rank + 2 * Margin];
        Array.Fill(untouched, 7f);
        DeviceBuffer<float> memory = data.Buffer(untouched);
        var output = new MatrixView<float>(memory.View.SubView(Margin, Tokens * Rank), Tokens, Rank);
        Device.Lora.Shrink(x, [a], map, 1f, output);
        Device.Lora.Expand(x, [b], map, output);
        float[] after = memory.ToArray();
        after[..Margin].Should().AllBeEquivalentTo(7f);
        after[^Margin..].Should().AllBeEquivalentTo(7f);
    }

    internal static AdapterMap Build(ComputeDevice device, int[] mapping, int adapters, bool onDevice)
    {
        if (!onDevice)
        {
            return new AdapterMap(device, mapping, adapters);
        }

        var map = new AdapterMap(device, mapping.Length, adapters);
        using DeviceBuffer<int> source = device.Upload<int>(mapping);
        device.Lora.BuildAdapterMap(source.View, map.View);
        device.Synchronize();
        return map;
    }

    internal static Content Read(AdapterMap map) => new(
        map.SortedTokens.ToArray(), map.Counts.ToArray(), map.Starts.ToArray(), map.AdapterIds.ToArray());

    internal sealed record Content(int[] SortedTokens, int[] Counts, int[] Starts, int[] Ids);
}
