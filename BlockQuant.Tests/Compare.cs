using BlockQuant.Scheduling;

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

    /// <summary>The same scales to the bit; on OpenCL, whose division need not be rounded correctly, at most 2 ulp apart.</summary>
    public static void Scales(float[] found, float[] expected, string name)
        => Near(
            Array.ConvertAll(found, BitConverter.SingleToInt32Bits),
            Array.ConvertAll(expected, BitConverter.SingleToInt32Bits),
            TestDevice.Shared.Kind == DeviceKind.OpenCL ? 2 : 0,
            found.Length,
            $"{name}: bits of scales");

    /// <summary>The same codes; on OpenCL at most one e4m3 step apart, and at most 0.5 % of them apart at all.</summary>
    public static void Codes(Float8E4M3[] found, Float8E4M3[] expected, string name)
    {
        if (TestDevice.Shared.Kind == DeviceKind.OpenCL)
        {
            Near(Array.ConvertAll(found, Ordinal), Array.ConvertAll(expected, Ordinal), 1, found.Length / 200, name);
            return;
        }

        Near(Array.ConvertAll(found, code => (int)code.Bits), Array.ConvertAll(expected, code => (int)code.Bits), 0, 0, name);
    }

    /// <summary>The same INT8 codes; on OpenCL at most one step apart, and at most 0.5 % of them apart at all.</summary>
    public static void Codes(sbyte[] found, sbyte[] expected, string name)
    {
        if (TestDevice.Shared.Kind == DeviceKind.OpenCL)
        {
            CodesOfResults(found, expected, name);
            return;
        }

        Near(Array.ConvertAll(found, code => (int)code), Array.ConvertAll(expected, code => (int)code), 0, 0, name);
    }

    /// <summary>INT8 codes of values whose last bits may differ: at most one step apart, and at most 0.5 % of them apart at all.</summary>
    public static void CodesOfResults(sbyte[] found, sbyte[] expected, string name)
        => Near(Array.ConvertAll(found, code => (int)code), Array.ConvertAll(expected, code => (int)code), 1, found.Length / 200, name);

    private static void Near(int[] found, int[] expected, int steps, int mayDiffer, string name)
    {
        found.Should().HaveSameCount(expected, name);
        int apart = 0;
        for (int i = 0; i < found.Length; i++)
        {
            long distance = Math.Abs(found[i] - (long)expected[i]);
            if (distance > steps)
            {
                Assert.Fail($"{name}: {i} is {found[i]}, expected {expected[i]}");
            }

            apart += distance == 0 ? 0 : 1;
        }

        apart.Should().BeLessThanOrEqualTo(mayDiffer, $"{name}: steps apart");
    }

    /// <summary>Codes in the order of their values, both zeros at 0.</summary>
    private static int Ordinal(Float8E4M3 code) => (code.Bits & 0x80) == 0 ? code.Bits : -(code.Bits & 0x7F);
}
