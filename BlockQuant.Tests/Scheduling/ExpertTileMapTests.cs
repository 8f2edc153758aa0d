using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Scheduling;

/// <summary>How rows that are sorted by expert are cut into tiles.</summary>
public sealed class ExpertTileMapTests
{
    [Test]
    public void Every_row_lies_in_one_tile_of_its_expert()
    {
        Gen<(int[] Counts, int TileM)> maps =
            from experts in Gen.Choose(1, 20)
            from counts in Gen.Choose(0, 50).ArrayOf(experts)
            from tileM in Gen.Choose(1, 40)
            select (counts, tileM);
        Prop.ForAll(maps.ToArbitrary(), map => Check(map.Counts, map.TileM)).QuickCheckThrowOnFailure();
    }

    [TestCase(new[] { 0, 3, 3, 20 }, 8, new[] { 0, 0, 1, 1, 4 })]
    [TestCase(new int[0], 8, new[] { 0 })]
    public void Offsets_count_the_tiles_before(int[] ends, int tileM, int[] expected)
        => ExpertTileMap.TileOffsets(ends, tileM).Should().Equal(expected);

    [Test]
    public void Decreasing_offsets_and_empty_tiles_are_refused()
    {
        FluentActions.Invoking(() => ExpertTileMap.TileOffsets([3, 2], 8)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => ExpertTileMap.TileOffsets([2, 3], 0)).Should().Throw<ArgumentOutOfRangeException>();
    }

    private static void Check(int[] counts, int tileM)
    {
        int end = 0;
        int[] ends = Array.ConvertAll(counts, count => end += count);
        int[] tiles = ExpertTileMap.TileOffsets(ends, tileM);
        long available = ExpertTileMap.RowTiles(end, counts.Length, tileM);
        ((long)tiles[^1]).Should().BeLessThanOrEqualTo(available);
        var rows = new int[counts.Length];
        for (long tile = 0; tile < available; tile++)
        {
            int owner = ExpertTileMap.Owner(tiles, tile);
            if (owner == ExpertTileMap.Unused)
            {
                tile.Should().BeGreaterThanOrEqualTo(tiles[^1]);
                continue;
            }

            int before = (int)(tile - tiles[owner]) * tileM;
            before.Should().BeInRange(0, counts[owner] - 1);
            rows[owner] += Math.Min(tileM, counts[owner] - before);
        }

        rows.Should().Equal(counts);
        ExpertTileMap.Owner(tiles, -1).Should().Be(ExpertTileMap.Unused);
    }
}
