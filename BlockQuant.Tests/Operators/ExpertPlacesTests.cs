using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>The sort by expert that a batched product on tensor cores begins with; its kernel is as portable as those that devices load.</summary>
public sealed class ExpertPlacesTests
{
    private const int TileM = 16;

    private static readonly Kernel<ExpertPlacesArguments> TestedKernel = new("places test", ExpertPlacesKernel.Run);

    private readonly ComputeDevice device = ComputeDevice.Create(DeviceKind.Cpu);

    [OneTimeTearDown]
    public void Close() => device.Dispose();

    [TestCase(1, 1)]
    [TestCase(37, 3)]
    [TestCase(100, 40)]
    [TestCase(5, 300)]
    public void Rows_are_placed_by_expert_and_tiles_counted(int rows, int experts)
    {
        var random = new Random(1);
        int[] ids = Enumerable.Range(0, rows).Select(_ => random.Next(experts)).ToArray();
        Sorting found = Sort(ids, experts);
        found.Places.Should().BeEquivalentTo(Enumerable.Range(0, rows), "every row has a place of its own");
        found.Places.Select((place, row) => found.Rows[place] == row).Should().OnlyContain(same => same);
        found.Rows.Select(row => ids[row]).Should().BeInAscendingOrder();
        int[] ends = Enumerable.Range(0, experts).Select(expert => ids.Count(id => id <= expert)).ToArray();
        found.Ends.Should().Equal(ends);
        found.TileOffsets.Should().Equal(ExpertTileMap.TileOffsets(ends, TileM));
        found.Fault.Code.Should().Be(DeviceStatusCode.None);
    }

    [Test]
    public void Rows_without_an_expert_have_no_place_and_the_first_is_told()
    {
        Sorting found = Sort([1, 4, 0, -3, 1], 4);
        found.Places[1].Should().Be(-1);
        found.Places[3].Should().Be(-1);
        found.Places[2].Should().Be(0);
        new[] { found.Places[0], found.Places[4] }.Should().BeEquivalentTo([1, 2]);
        found.Ends.Should().Equal(1, 3, 3, 3);
        found.Fault.Should().Be(new DeviceFault(DeviceStatusCode.ExpertOutOfRange, 1, 4, 4));
    }

    private Sorting Sort(int[] ids, int experts)
    {
        using DeviceBuffer<int> deviceIds = device.Upload<int>(ids), places = device.Allocate<int>(ids.Length), rows = device.Allocate<int>(ids.Length);
        using DeviceBuffer<int> ends = device.Allocate<int>(experts), tileOffsets = device.Allocate<int>(experts + 1);
        rows.CopyFrom(Enumerable.Repeat(-2, ids.Length).ToArray());
        using var status = new DeviceStatus(device);
        var arguments = new ExpertPlacesArguments
        {
            Ids = deviceIds.View,
            Places = places.View,
            Rows = rows.View,
            Ends = ends.View,
            TileOffsets = tileOffsets.View,
            Status = status.View,
            Experts = experts,
            TileM = TileM,
        };
        device.Launch(TestedKernel, new LaunchShape(1, LaunchShapes.CooperatingLanes(device.Traits)), arguments, null);
        return new Sorting(places.ToArray(), rows.ToArray(), ends.ToArray(), tileOffsets.ToArray(), status.Read());
    }

    private sealed record Sorting(int[] Places, int[] Rows, int[] Ends, int[] TileOffsets, DeviceFault Fault);
}
