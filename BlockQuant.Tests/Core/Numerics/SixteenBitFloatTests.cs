namespace BlockQuant.Tests.Core.Numerics;

[TestFixture]
public class SixteenBitFloatTests
{
    // Every upper half with the lower halves where rounding turns: nothing, just below, at and above the middle, everything.
    private static readonly int[] LowerHalves = [0x0000, 0x0001, 0x0FFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001, 0xFFFF];

    [Test]
    public void BFloat16IsTheUpperHalfOfSingle()
    {
        for (int bits = 0; bits <= 0xFFFF; bits++)
        {
            float value = BFloat16.FromBits((ushort)bits).ToSingle();

            BitConverter.SingleToInt32Bits(value).Should().Be(bits << 16);
        }
    }

    [Test]
    public void SingleRoundsToTheNearestBFloat16AndTiesToTheEvenOne()
    {
        foreach (float value in Singles())
        {
            int found = BFloat16.FromSingle(value).Bits;

            int bits = BitConverter.SingleToInt32Bits(value);
            int below = (bits >> 16) & 0xFFFF;
            int remainder = bits & 0xFFFF;
            bool up = remainder > 0x8000 || (remainder == 0x8000 && below % 2 == 1);
            int expected = float.IsNaN(value) ? below | 0x40 : below + (up ? 1 : 0);
            if (found != expected)
            {
                Assert.Fail($"0x{bits:X8} became 0x{found:X4}; expected 0x{expected:X4}");
            }
        }
    }

    [Test]
    public void HalfDecodesAsTheRuntimeDoes()
    {
        for (int bits = 0; bits <= 0xFFFF; bits++)
        {
            var half = BitConverter.UInt16BitsToHalf((ushort)bits);
            float decoded = HalfCodec.Decode(bits);

            (float.IsNaN(decoded) && Half.IsNaN(half) || BitConverter.SingleToInt32Bits(decoded) == BitConverter.SingleToInt32Bits((float)half))
                .Should().BeTrue($"0x{bits:X4} became {decoded}");
        }
    }

    [Test]
    public void HalfEncodesAsTheRuntimeDoes()
    {
        foreach (float value in Singles())
        {
            int found = HalfCodec.Encode(value);
            int expected = BitConverter.HalfToUInt16Bits((Half)value);
            if (found != expected)
            {
                Assert.Fail($"0x{BitConverter.SingleToInt32Bits(value):X8} became 0x{found:X4}; expected 0x{expected:X4}");
            }
        }
    }

    [Test]
    public void BFloat16NamesItsValues()
    {
        BFloat16.MaxValue.ToSingle().Should().Be(3.3895314e38f);
        BFloat16.MinValue.ToSingle().Should().Be(-3.3895314e38f);
        BFloat16.Epsilon.ToSingle().Should().Be(MathF.Pow(2, -133));
        BFloat16.One.ToSingle().Should().Be(1f);
        BFloat16.Zero.ToSingle().Should().Be(0f);
        BFloat16.PositiveInfinity.ToSingle().Should().Be(float.PositiveInfinity);
        BFloat16.NegativeInfinity.ToSingle().Should().Be(float.NegativeInfinity);
        BFloat16.IsInfinity(BFloat16.NegativeInfinity).Should().BeTrue();
        BFloat16.IsInfinity(BFloat16.NaN).Should().BeFalse();
        BFloat16.IsNaN(BFloat16.NaN).Should().BeTrue();
        BFloat16.IsNaN(BFloat16.PositiveInfinity).Should().BeFalse();
        ((BFloat16)0.5f).ToString().Should().Be("0.5");
    }

    [Test]
    public void BFloat16ComparesAsFloat()
    {
        BFloat16[] values =
        [
            BFloat16.NaN, BFloat16.NegativeInfinity, BFloat16.MinValue, (BFloat16)(-1f), (BFloat16)(-0f), BFloat16.Zero,
            BFloat16.Epsilon, BFloat16.One, BFloat16.MaxValue, BFloat16.PositiveInfinity,
        ];
        foreach (BFloat16 left in values)
        {
            foreach (BFloat16 right in values)
            {
                (float x, float y) = (left, right);

                bool agree = (left == right) == (x == y) && (left != right) == (x != y) && (left < right) == (x < y) && (left > right) == (x > y)
                    && (left <= right) == (x <= y) && (left >= right) == (x >= y) && left.Equals(right) == x.Equals(y)
                    && Math.Sign(left.CompareTo(right)) == Math.Sign(x.CompareTo(y)) && (!left.Equals(right) || left.GetHashCode() == right.GetHashCode());
                agree.Should().BeTrue($"{left} and {right} compare as their values");
            }
        }
    }

    private static IEnumerable<float> Singles() =>
        from upper in Enumerable.Range(0, 0x1_0000)
        from lower in LowerHalves
        select BitConverter.Int32BitsToSingle((upper << 16) | lower);
}
