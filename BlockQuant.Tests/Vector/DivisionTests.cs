using BlockQuant.Kernels.Vector;
using BlockQuant.Kernels.Vector.Intrinsics;

namespace BlockQuant.Tests.Vector;

/// <summary>The division by a shared reciprocal against the division of IEEE 754.</summary>
public sealed class DivisionTests
{
    [Test]
    public void Quotients_in_the_range_of_codes_are_correctly_rounded()
    {
        var random = new Random(8);
        for (int i = 0; i < 400_000; i++)
        {
            float scale = BitConverter.Int32BitsToSingle(random.Next(BitConverter.SingleToInt32Bits(1e-12f), BitConverter.SingleToInt32Bits(7e35f)));
            float quotient = (random.NextSingle() - 0.5f) * 896f * MathF.Pow(2, -random.Next(20));
            float value = quotient * scale;
            if (Math.Abs(value) >= 1e-16f)
            {
                Divide(value, scale).Should().Be(value / scale, $"{value:R} / {scale:R}");
            }
        }
    }

    [Test]
    public void Codes_are_those_of_the_division_for_values_next_to_ties()
    {
        var random = new Random(9);
        for (int i = 0; i < 200_000; i++)
        {
            float scale = BitConverter.Int32BitsToSingle(random.Next(BitConverter.SingleToInt32Bits(1e-12f), BitConverter.SingleToInt32Bits(7e35f)));
            byte code = (byte)random.Next(0x7E);
            float tie = (Float8Codec.Decode(code) + Float8Codec.Decode(code + 1)) / 2 * scale;
            float value = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(tie) + random.Next(-2, 3));
            Float8Codec.EncodeSaturating(Divide(value, scale)).Should().Be(Float8Codec.EncodeSaturating(value / scale), $"{value:R} / {scale:R}");
        }
    }

    [TestCase(0f)]
    [TestCase(-0f)]
    public void Zeros_keep_their_sign(float zero)
        => BitConverter.SingleToInt32Bits(Divide(zero, 0.3f)).Should().Be(BitConverter.SingleToInt32Bits(zero));

    private static float Divide(float value, float scale) => Arithmetic.Divide(new Values4 { A = value }, scale, 1f / scale).A;
}
