using BlockQuant.Reference;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture]
public class ReferenceInt8Tests
{
    // Φ(x)·x to 16 digits, computed with arbitrary precision.
    [TestCase(0.0, 0.0)]
    [TestCase(1.0, 0.8413447460685429)]
    [TestCase(-1.0, -0.15865525393145705)]
    [TestCase(0.001, 0.0005003989422139110)]
    [TestCase(3.0, 2.9959503059051104)]
    [TestCase(-3.0, -0.0040496940948896)]
    [TestCase(8.3, 8.3)]
    [TestCase(-40.0, 0.0)]
    public void GeluIsExact(double x, double expected) => ReferenceOperators.Gelu(x).Should().BeApproximately(expected, 2e-15 * Math.Max(1, Math.Abs(x)));

    [Test]
    public void GeluHasItsLimits()
    {
        ReferenceOperators.Gelu(double.PositiveInfinity).Should().Be(double.PositiveInfinity);
        ReferenceOperators.Gelu(double.NegativeInfinity).Should().Be(0);
        ReferenceOperators.Gelu(double.NaN).Should().Be(double.NaN);
    }

    [Test]
    public void AProductIsQuantizedByRowAndGroup()
    {
        var unit = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Tensor);
        var a = new QuantizedMatrix(new byte[] { 1, 2 }, 2, 1, new[] { 1f }, unit);
        var b = new QuantizedMatrix(new byte[] { 127, 100, 50 }, 3, 1, new[] { 1f }, unit);
        var pairs = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.TokenGroup, new BlockShape(1, 2));

        QuantizedMatrix product = ReferenceOperators.MultiplyQuantizeInt8(a, b, pairs);
        QuantizedMatrix sum = ReferenceOperators.MultiplyQuantizeInt8(a, b, pairs, bias: [127f, 0f, -50f]);

        product.Scales.ToArray().Should().Equal(1f, 50f * (1f / 127f), 2f, 100f * (1f / 127f));
        product.Codes.ToArray().Should().Equal(127, 100, 127, 127, 100, 127);

        // [254, 100 | 0] and [381, 200 | 50]: the group that is zero has the floor of outputs.
        sum.Scales.ToArray().Should().Equal(2f, 1e-8f, 3f, 50f * (1f / 127f));
        sum.Codes.ToArray().Should().Equal(127, 50, 0, 127, 66, 127);
    }

    [Test]
    public void OutputsRoundToTheNearestOnRequest()
    {
        var unit = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Tensor);
        var a = new QuantizedMatrix(new byte[] { 3 }, 1, 1, new[] { 1f }, unit);
        var b = new QuantizedMatrix(new byte[] { 127, 127 - 64, 0xFF }, 3, 1, new[] { 1f }, unit);
        var scheme = QuantizationScheme.Int8TokenGroup128;

        // [381, 189, −3] with a bias that puts the second between two codes.
        ReferenceOperators.MultiplyQuantizeInt8(a, b, scheme, RoundingMode.Nearest, [0f, 2f, 0f]).Codes.ToArray().Should().Equal(127, 64, 0xFF);
        ReferenceOperators.MultiplyQuantizeInt8(a, b, scheme, RoundingMode.ReferenceCompatible, [0f, 2f, 0f]).Codes.ToArray().Should().Equal(127, 63, 0xFF);
    }

    [Test]
    public void GeluIsQuantizedAgain()
    {
        var x = new QuantizedMatrix(new byte[] { 1, 0xFF, 3 }, 1, 3, new[] { 1f }, QuantizationScheme.Int8TokenGroup128);

        QuantizedMatrix y = ReferenceOperators.GeluInt8(x, QuantizationScheme.Int8TokenGroup128);

        float scale = (float)2.9959503059051104 * (1f / 127f);
        y.Scales.ToArray().Should().Equal(scale);
        y.Codes.ToArray().Should().Equal((byte)(0.8413447f / scale), unchecked((byte)(sbyte)(-0.15865525f / scale)), 127);
    }

    [Test]
    public void OtherFormatsAreRefused()
    {
        QuantizedMatrix fp8 = ReferenceOperators.QuantizeFp8([1f], 1, 1, QuantizationScheme.Fp8Tensor);
        QuantizedMatrix int8 = ReferenceOperators.QuantizeInt8([1f], 1, 1, QuantizationScheme.Int8TokenGroup128);
        Action[] calls =
        [
            () => ReferenceOperators.MultiplyQuantizeInt8(fp8, int8, QuantizationScheme.Int8TokenGroup128),
            () => ReferenceOperators.MultiplyQuantizeInt8(int8, fp8, QuantizationScheme.Int8TokenGroup128),
            () => ReferenceOperators.MultiplyQuantizeInt8(int8, int8, QuantizationScheme.Fp8TokenGroup128),
            () => ReferenceOperators.GeluInt8(fp8, QuantizationScheme.Int8TokenGroup128),
            () => ReferenceOperators.GeluInt8(int8, QuantizationScheme.Fp8TokenGroup128),
        ];
        foreach (Action call in calls)
        {
            call.Should().Throw<ArgumentException>().WithMessage("scheme: format Float8E4M3; expected Int8.*");
        }
    }
}
