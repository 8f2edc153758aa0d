using System.Runtime.InteropServices;

namespace BlockQuant.Tests.Core.Numerics;

[TestFixture]
public class BulkConversionTests
{
    private static readonly Float8E4M3[] AllFloat8 = [.. Enumerable.Range(0, 256).Select(bits => Float8E4M3.FromBits((byte)bits))];
    private static readonly BFloat16[] AllBFloat16 = [.. Enumerable.Range(0, 0x1_0000).Select(bits => BFloat16.FromBits((ushort)bits))];
    private static readonly Half[] AllHalf = [.. Enumerable.Range(0, 0x1_0000).Select(bits => BitConverter.UInt16BitsToHalf((ushort)bits))];

    // Every upper half, with lower halves on both sides of where bfloat16, binary16 and FP8 round.
    private static readonly float[] ManySingles =
    [
        .. from upper in Enumerable.Range(0, 0x1_0000)
           from lower in new[] { 0x0000, 0x0001, 0x0FFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001, 0xFFFF }
           select BitConverter.Int32BitsToSingle((upper << 16) | lower),
    ];

    private delegate void Bulk<TFrom, TTo>(ReadOnlySpan<TFrom> source, Span<TTo> destination);

    [Test]
    public void EveryFloat8WidensAsAlone()
    {
        SameAsScalar(AllFloat8, BulkConversion.ToSingle, value => value.ToSingle());
        SameAsScalar(AllFloat8, BulkConversion.ToBFloat16, value => value.ToBFloat16());
        SameAsScalar(AllFloat8, BulkConversion.ToHalf, value => value.ToHalf());
    }

    [Test]
    public void EverySixteenBitFloatWidensAsAlone()
    {
        SameAsScalar(AllBFloat16, BulkConversion.ToSingle, value => value.ToSingle());
        SameAsScalar(AllHalf, BulkConversion.ToSingle, value => HalfCodec.Decode(BitConverter.HalfToUInt16Bits(value)));
    }

    [Test]
    public void SinglesNarrowAsAlone()
    {
        SameAsScalar(ManySingles, BulkConversion.ToBFloat16, BFloat16.FromSingle);
        SameAsScalar(ManySingles, BulkConversion.ToHalf, value => (Half)value);
    }

    [Test]
    public void EverythingNarrowsToFloat8AsAlone([Values] OverflowMode overflow)
    {
        SameAsScalar<float, Float8E4M3>(ManySingles, (x, y) => BulkConversion.ToFloat8(x, y, overflow), x => Float8E4M3.FromSingle(x, overflow));
        SameAsScalar<BFloat16, Float8E4M3>(AllBFloat16, (x, y) => BulkConversion.ToFloat8(x, y, overflow), x => Float8E4M3.FromBFloat16(x, overflow));
        SameAsScalar<Half, Float8E4M3>(AllHalf, (x, y) => BulkConversion.ToFloat8(x, y, overflow), x => Float8E4M3.FromHalf(x, overflow));
    }

    /// <summary>A machine takes one width, so the others are asked for directly.</summary>
    [Test]
    public void EveryVectorWidthConvertsAlike()
    {
        SameAtEveryWidth<Float8E4M3, float, Float8LaneFormat, SingleFormat>(AllFloat8);
        SameAtEveryWidth<Half, float, HalfFormat, SingleFormat>(AllHalf);
        SameAtEveryWidth<Half, Float8E4M3, UnsignedNaNHalfFormat, NonSaturatingFloat8Format>(AllHalf);
        SameAtEveryWidth<BFloat16, Float8E4M3, BFloat16Format, Float8LaneFormat>(AllBFloat16);
        SameAtEveryWidth<float, Half, SingleFormat, HalfFormat>(ManySingles);
        SameAtEveryWidth<float, BFloat16, SingleFormat, BFloat16Format>(ManySingles);
    }

    [Test]
    public void EveryLengthIsConvertedWhole()
    {
        for (int length = 0; length <= 70; length++)
        {
            var codes = new Float8E4M3[length + 1];
            codes[length] = Float8E4M3.FromBits(0xAA);

            BulkConversion.ToFloat8(Enumerable.Repeat(1f, length).ToArray(), codes.AsSpan(0, length));

            codes.Select(code => code.Bits).Should().Equal([.. Enumerable.Repeat((byte)0x38, length), 0xAA]);
        }
    }

    [Test]
    public void AnotherLengthIsRefused()
    {
        Action convert = () => BulkConversion.ToSingle(new Float8E4M3[3], new float[4]);

        convert.Should().Throw<ArgumentException>().WithMessage("destination has 4 elements; expected 3*");
    }

    [Test]
    public void OverlappingSpansAreRefused()
    {
        Action convert = () =>
        {
            Span<float> floats = new float[64];
            BulkConversion.ToSingle(MemoryMarshal.Cast<float, BFloat16>(floats)[63..127], floats);
        };

        convert.Should().Throw<ArgumentException>().WithMessage("destination overlaps source*");
    }

    private static void SameAsScalar<TFrom, TTo>(TFrom[] source, Bulk<TFrom, TTo> bulk, Func<TFrom, TTo> scalar)
        where TTo : unmanaged
    {
        var found = new TTo[source.Length];
        bulk(source, found);

        SameBits(found, Array.ConvertAll(source, value => scalar(value)));
    }

    private static void SameAtEveryWidth<TFrom, TTo, TSource, TTarget>(TFrom[] source)
        where TFrom : unmanaged
        where TTo : unmanaged
        where TSource : struct, ILaneSource<TFrom>
        where TTarget : struct, ILaneTarget<TTo>
    {
        TTo[] expected = Array.ConvertAll(source, value => TTarget.Store(TSource.Load(value)));
        var found = new TTo[source.Length];
        BulkConversion.ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes512>(source, found).Should().Be(source.Length);
        SameBits(found, expected);

        found.AsSpan().Clear();
        BulkConversion.ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes256>(source, found).Should().Be(source.Length);
        SameBits(found, expected);

        found.AsSpan().Clear();
        BulkConversion.ConvertVectors<TFrom, TTo, TSource, TTarget, Lanes128>(source, found).Should().Be(source.Length);
        SameBits(found, expected);
    }

    private static void SameBits<T>(T[] found, T[] expected)
        where T : unmanaged =>
        MemoryMarshal.AsBytes<T>(found).SequenceEqual(MemoryMarshal.AsBytes<T>(expected)).Should().BeTrue("a vector converts as its elements do");
}
