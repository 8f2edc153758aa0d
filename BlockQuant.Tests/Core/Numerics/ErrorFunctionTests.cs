using MathNet.Numerics;

namespace BlockQuant.Tests.Core.Numerics;

public sealed class ErrorFunctionTests
{
    [Test]
    public void Erf_is_close_to_the_float64_function_everywhere()
    {
        double worst = 0;
        for (int i = -200_000; i <= 200_000; i++)
        {
            float x = i * 2.5e-5f;
            worst = Math.Max(worst, Math.Abs(ErrorFunction.Erf(x) - SpecialFunctions.Erf(x)));
        }

        worst.Should().BeLessThan(1e-7);
    }

    [TestCase(1e-3f)]
    [TestCase(1e-10f)]
    [TestCase(1e-30f)]
    public void Near_zero_the_relative_error_is_small_too(float x)
        => (ErrorFunction.Erf(x) / SpecialFunctions.Erf(x)).Should().BeApproximately(1, 1.2e-7);

    [Test]
    public void Erf_is_odd_to_the_last_bit()
    {
        for (float x = 0; x < 6; x += 0.00317f)
        {
            BitConverter.SingleToInt32Bits(ErrorFunction.Erf(-x)).Should().Be(BitConverter.SingleToInt32Bits(-ErrorFunction.Erf(x)));
        }
    }

    [Test]
    public void Erf_never_exceeds_one()
    {
        for (float x = 0.9f; x < 6; x += 1e-4f)
        {
            ErrorFunction.Erf(x).Should().BeLessThanOrEqualTo(1);
        }
    }

    [TestCase(4f, 1f)]
    [TestCase(float.MaxValue, 1f)]
    [TestCase(float.PositiveInfinity, 1f)]
    [TestCase(float.NegativeInfinity, -1f)]
    [TestCase(0f, 0f)]
    [TestCase(float.NaN, float.NaN)]
    public void Erf_of_the_extremes(float x, float expected) => ErrorFunction.Erf(x).Should().Be(expected);
}
