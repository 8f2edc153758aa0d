namespace BlockQuant.Tests;

/// <summary>The measures by which results are judged.</summary>
internal static class Compare
{
    /// <summary>‖found − expected‖ / ‖expected‖ (Frobenius), 0 where both are zero, NaN where anything is.</summary>
    public static double RelativeError(ReadOnlySpan<float> found, ReadOnlySpan<float> expected)
    {
        found.Length.Should().Be(expected.Length);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < found.Length; i++)
        {
            double delta = (double)found[i] - expected[i];
            difference += delta * delta;
            norm += (double)expected[i] * expected[i];
        }

        return difference == 0 ? 0 : Math.Sqrt(difference / norm);
    }

    /// <inheritdoc cref="RelativeError(ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public static double RelativeError(ReadOnlySpan<float> found, ReadOnlySpan<double> expected)
    {
        found.Length.Should().Be(expected.Length);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < found.Length; i++)
        {
            double delta = found[i] - expected[i];
            difference += delta * delta;
            norm += expected[i] * expected[i];
        }

        return difference == 0 ? 0 : Math.Sqrt(difference / norm);
    }

    public static float[] ToSingle(BFloat16[] values) => Array.ConvertAll(values, value => value.ToSingle());

    public static float[] ToSingle(Half[] values) => Array.ConvertAll(values, value => (float)value);

    /// <summary>Scales at most 2 ulp apart: systems that divide amax lie one ulp beside those that multiply by the reciprocal.</summary>
    public static void Scales(float[] found, float[] expected, string name)
    {
        found.Should().HaveSameCount(expected, name);
        for (int i = 0; i < found.Length; i++)
        {
            Math.Abs(BitConverter.SingleToInt32Bits(found[i]) - BitConverter.SingleToInt32Bits(expected[i]))
                .Should().BeLessThanOrEqualTo(2, $"{name}: scale {i} is {found[i]:R}, expected {expected[i]:R}");
        }
    }

    /// <summary>Codes from such scales: at most one e4m3 step apart, and at most 0.5 % of them apart at all.</summary>
    public static void Codes(Float8E4M3[] found, Float8E4M3[] expected, string name)
    {
        found.Should().HaveSameCount(expected, name);
        int apart = 0;
        for (int i = 0; i < found.Length; i++)
        {
            int steps = Math.Abs(Ordinal(found[i]) - Ordinal(expected[i]));
            steps.Should().BeLessThanOrEqualTo(1, $"{name}: code {i} is {found[i]}, expected {expected[i]}");
            apart += steps;
        }

        apart.Should().BeLessThanOrEqualTo(found.Length / 200, $"{name}: codes one step apart");
    }

    /// <summary>INT8 codes from such scales: at most one step apart, and at most 0.5 % of them apart at all.</summary>
    public static void Codes(sbyte[] found, sbyte[] expected, string name)
    {
        found.Should().HaveSameCount(expected, name);
        int apart = 0;
        for (int i = 0; i < found.Length; i++)
        {
            int steps = Math.Abs(found[i] - expected[i]);
            steps.Should().BeLessThanOrEqualTo(1, $"{name}: code {i} is {found[i]}, expected {expected[i]}");
            apart += steps;
        }

        apart.Should().BeLessThanOrEqualTo(found.Length / 200, $"{name}: codes one step apart");
    }

    /// <summary>Codes in the order of their values, both zeros at 0.</summary>
    private static int Ordinal(Float8E4M3 code) => (code.Bits & 0x80) == 0 ? code.Bits : -(code.Bits & 0x7F);
}
