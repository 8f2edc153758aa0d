using BlockQuant.Reference;

namespace BlockQuant.Tests.Operators;

/// <summary>Experts that come to the device one by one.</summary>
public sealed class ExpertWeightsTests
{
    private static readonly QuantizationScheme Scheme = ExpertOperands.Blocks(2, 4);

    [Test]
    public void Experts_are_filled_in_any_order()
    {
        QuantizedMatrix[] experts = Enumerable.Range(0, 3).Select(seed => Weight(5, 7, seed)).ToArray();
        using var weights = new ExpertWeights<Float8E4M3>(TestDevice.Shared, 3, 5, 7, Scheme);

        foreach (int expert in (int[])[2, 0, 1])
        {
            weights.CopyFrom(expert, experts[expert]);
        }

        weights.Codes.ToArray().Should().Equal(experts.SelectMany(RandomData.Codes));
        weights.Scales.ToArray().Should().Equal(experts.SelectMany(expert => expert.Scales.ToArray()));
    }

    [Test]
    public void Codes_of_int8_are_taken()
    {
        QuantizedMatrix weight = new(new byte[] { 1, 255, 3, 4 }, 2, 2, new float[] { 0.5f }, QuantizationScheme.Int8Block128);
        using var weights = new ExpertWeights<sbyte>(TestDevice.Shared, 1, 2, 2, QuantizationScheme.Int8Block128);

        weights.CopyFrom(0, weight);

        weights.Codes.ToArray().Should().Equal(1, -1, 3, 4);
    }

    [Test]
    public void A_weight_that_does_not_fit_is_refused_and_nothing_is_written()
    {
        QuantizedMatrix weight = Weight(5, 7, 1);
        using var weights = new ExpertWeights<Float8E4M3>(TestDevice.Shared, 2, 5, 7, Scheme);
        weights.CopyFrom(0, weight);
        weights.CopyFrom(1, weight);
        Float8E4M3[] before = weights.Codes.ToArray();

        Refused<ArgumentOutOfRangeException>(2, weight, "*expert*");
        Refused<ArgumentOutOfRangeException>(-1, weight, "*expert*");
        Refused<ArgumentException>(0, Weight(7, 5, 2), "weight: shape [7, 5]; expected [5, 7].*");
        Refused<ArgumentException>(0, ReferenceOperators.QuantizeFp8(new float[35], 5, 7, ExpertOperands.Blocks(4, 4)), "weight: *expected*");
        Refused<ArgumentException>(0, new QuantizedMatrix(weight.Codes, 5, 7, new float[6], Scheme, scaleRowOffset: 1), "weight: *from [1, 0] of a block; expected*");
        Refused<ArgumentException>(
            0, new QuantizedMatrix(weight.Codes, 5, 7, new float[] { 1 }, QuantizationScheme.Int8Block128), "weight: format Int8; expected Float8E4M3.*");
        weights.Codes.ToArray().Should().Equal(before);

        void Refused<T>(int expert, QuantizedMatrix other, string message)
            where T : Exception
            => FluentActions.Invoking(() => weights.CopyFrom(expert, other)).Should().Throw<T>().WithMessage(message);
    }

    private static QuantizedMatrix Weight(int rows, int columns, int seed)
        => ReferenceOperators.QuantizeFp8(RandomData.Normal(new Random(seed), rows * columns), rows, columns, Scheme);
}
