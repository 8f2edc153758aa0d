namespace BlockQuant.Tests.Core.Numerics;

[TestFixture]
public class Float8E4M3Tests
{
    // All finite magnitudes in order, from the format's definition rather than from the codec.
    private static readonly double[] Magnitudes =
        [.. Enumerable.Range(0, 127).Select(code => code < 8 ? code * Math.Pow(2, -9) : (8 + code % 8) * Math.Pow(2, code / 8 - 10))];

    [Test]
    public void DecodesEveryCodeByTheDefinition()
    {
        for (int code = 0; code < 256; code++)
        {
            int magnitude = code & 0x7F;
            double expected = magnitude == 0x7F ? double.NaN : Magnitudes[magnitude] * (code < 128 ? 1 : -1);

            float decoded = Float8E4M3.FromBits((byte)code).ToSingle();

            ((double)decoded).Should().Be(expected);
            float.IsNegative(decoded).Should().Be(code >= 128);
        }
    }

    [Test]
    public void EveryCodeSurvivesTheWayThroughEachWiderType([Values] OverflowMode overflow)
    {
        for (int code = 0; code < 256; code++)
        {
            var value = Float8E4M3.FromBits((byte)code);
            int saturated = overflow == OverflowMode.Saturate && Float8E4M3.IsNaN(value) ? 0x7F : code;
            int throughHalf = Float8E4M3.IsNaN(value) ? 0x7F : code;

            ((int)Float8E4M3.FromSingle(value.ToSingle(), overflow).Bits).Should().Be(saturated);
            ((int)Float8E4M3.FromBFloat16(value.ToBFloat16(), overflow).Bits).Should().Be(saturated);
            ((int)Float8E4M3.FromHalf(value.ToHalf(), overflow).Bits).Should().Be(throughHalf);
        }
    }

    [Test]
    public void RoundsToTheNearestCodeAndTiesToTheEvenOne()
    {
        for (int code = 0; code < 126; code++)
        {
            float middle = (float)((Magnitudes[code] + Magnitudes[code + 1]) / 2);
            foreach (int sign in new[] { 0, 0x80 })
            {
                float signed = sign == 0 ? middle : -middle;
                int even = code % 2 == 0 ? code : code + 1;

                ((int)Float8E4M3.FromSingle(signed).Bits).Should().Be(sign | even);
                ((int)Float8E4M3.FromSingle(MathF.BitDecrement(middle) * MathF.Sign(signed)).Bits).Should().Be(sign | code);
                ((int)Float8E4M3.FromSingle(MathF.BitIncrement(middle) * MathF.Sign(signed)).Bits).Should().Be(sign | (code + 1));
            }
        }
    }

    [TestCase(464f, 0x7E, 0x7E)]
    [TestCase(464.0001f, 0x7E, 0x7F)]
    [TestCase(-1e30f, 0xFE, 0xFF)]
    [TestCase(float.PositiveInfinity, 0x7E, 0x7F)]
    [TestCase(float.NegativeInfinity, 0xFE, 0xFF)]
    [TestCase(float.NaN, 0x7F, 0xFF)]
    [TestCase(float.Epsilon, 0x00, 0x00)]
    [TestCase(-float.Epsilon, 0x80, 0x80)]
    public void BeyondTheRangeTheModeDecides(float value, int saturated, int nonSaturated)
    {
        // float.NaN has its sign bit set.
        ((int)Float8E4M3.FromSingle(value).Bits).Should().Be(saturated);
        ((int)Float8E4M3.FromSingle(value, OverflowMode.NaN).Bits).Should().Be(nonSaturated);
    }

    [Test]
    public void NamedValuesAreWhatTheySay()
    {
        Float8E4M3.MaxValue.ToSingle().Should().Be(448f);
        Float8E4M3.MinValue.ToSingle().Should().Be(-448f);
        Float8E4M3.Epsilon.ToSingle().Should().Be(1f / 512f);
        Float8E4M3.Zero.ToSingle().Should().Be(0f);
        Float8E4M3.One.ToSingle().Should().Be(1f);
        Float8E4M3.IsNaN(Float8E4M3.NaN).Should().BeTrue();
        Float8E4M3.IsNaN(Float8E4M3.MinValue).Should().BeFalse();
    }

    [Test]
    public void OperatorsCompareAsFloat()
    {
        for (int i = 0; i < 256; i++)
        {
            for (int j = 0; j < 256; j++)
            {
                var left = Float8E4M3.FromBits((byte)i);
                var right = Float8E4M3.FromBits((byte)j);
                (float x, float y) = (left, right);

                bool agree = (left == right) == (x == y) && (left != right) == (x != y) && (left < right) == (x < y) && (left > right) == (x > y)
                    && (left <= right) == (x <= y) && (left >= right) == (x >= y) && left.Equals(right) == x.Equals(y)
                    && Math.Sign(left.CompareTo(right)) == Math.Sign(x.CompareTo(y)) && (!left.Equals(right) || left.GetHashCode() == right.GetHashCode());
                agree.Should().BeTrue($"codes {i} and {j} compare as their values");
            }
        }
    }

    [Test]
    public void ConvertsByOperator()
    {
        ((Float8E4M3)3.1f).ToSingle().Should().Be(3f);
        ((Float8E4M3)(Half)3.1f).ToSingle().Should().Be(3f);
        ((Float8E4M3)(BFloat16)3.1f).ToSingle().Should().Be(3f);
        ((Half)(Float8E4M3)3f).Should().Be((Half)3f);
        ((BFloat16)(Float8E4M3)3f).Should().Be((BFloat16)3f);
        ((Float8E4M3)0.4375f).ToString().Should().Be("0.4375");
        Float8E4M3.One.Equals((object)1f).Should().BeFalse();
    }
}
