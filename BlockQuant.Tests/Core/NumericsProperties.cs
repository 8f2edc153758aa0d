using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Core;

[TestFixture]
public class NumericsProperties
{
    private static readonly Config Checks = Config.QuickThrowOnFailure.WithMaxTest(500);

    // All bit patterns alike: half of them lie far outside the range of FP8, as test values seldom do.
    private static readonly Arbitrary<float> Singles = ArbMap.Default.ArbFor<int>().Generator.Select(BitConverter.Int32BitsToSingle).ToArbitrary();

    [Test]
    public void NoCodeIsNearerThanTheOneChosen() => Prop.ForAll(Singles, value =>
    {
        float found = Float8E4M3.FromSingle(value).ToSingle();
        double error = Math.Abs((double)found - Math.Clamp(value, -448f, 448f));
        return float.IsNaN(value)
            ? float.IsNaN(found)
            : Enumerable.Range(0, 256).Select(Float8Codec.Decode).Where(float.IsFinite).All(other => Math.Abs((double)other - Math.Clamp(value, -448f, 448f)) >= error);
    }).Check(Checks);

    [Test]
    public void RoundingTwiceIsRoundingOnce() => Prop.ForAll(Singles, value =>
        Float8E4M3.FromSingle(Float8E4M3.FromSingle(value).ToSingle()).Bits == Float8E4M3.FromSingle(value).Bits
        && BFloat16.FromSingle(BFloat16.FromSingle(value).ToSingle()).Bits == BFloat16.FromSingle(value).Bits).Check(Checks);

    [Test]
    public void RoundingKeepsOrder() => Prop.ForAll(Singles, Singles, (left, right) =>
        !(left <= right)
        || (Float8E4M3.FromSingle(left) <= Float8E4M3.FromSingle(right) && BFloat16.FromSingle(left) <= BFloat16.FromSingle(right))).Check(Checks);

    [Test]
    public void AShardsScalesAreThoseTheWholeHasOverIt()
    {
        Gen<(int Start, int Length, int Block)> shards =
            from start in Gen.Choose(0, 1000)
            from length in Gen.Choose(0, 1000)
            from block in Gen.Choose(1, 300)
            select (start, length, block);
        Prop.ForAll(shards.ToArbitrary(), shard =>
        {
            var scheme = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Block, new BlockShape(shard.Block, 1));
            long found = scheme.ScaleShape(shard.Length, 1, rowOffset: shard.Start % shard.Block).Rows;
            return found == Enumerable.Range(shard.Start, shard.Length).Select(row => row / shard.Block).Distinct().Count();
        }).Check(Checks);
    }

    [Test]
    public void BlocksCoverAnExtentAndNoMore() => Prop.ForAll(
        Gen.Choose(0, 5000).ToArbitrary(),
        Gen.Choose(1, 300).ToArbitrary(),
        (extent, block) =>
        {
            long blocks = new BlockShape(block, 1).ScaleRows(extent);
            return blocks * block >= extent && (blocks - 1) * block < Math.Max(extent, 1) && blocks == new BlockShape(1, block).ScaleColumns(extent);
        }).Check(Checks);
}
