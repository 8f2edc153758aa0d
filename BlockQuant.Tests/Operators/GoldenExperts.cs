using BlockQuant.Storage;

namespace BlockQuant.Tests.Operators;

/// <summary>The operands of a golden mixture-of-experts case.</summary>
internal static class GoldenExperts
{
    /// <summary>bf16 results lie this far from a float64 reference by their own rounding.</summary>
    public const double HalfPrecisionError = 3e-3;

    public static ExpertWeights<Float8E4M3> Read(ComputeDevice device, SafetensorsFile golden, string name)
    {
        long[] shape = golden.Get(name + ".b").Shape;
        var weights = new ExpertWeights<Float8E4M3>(device, (int)shape[0], shape[1], shape[2], QuantizationScheme.Fp8Block128);
        weights.Codes.CopyFrom(golden.Read<Float8E4M3>(name + ".b"));
        weights.Scales.CopyFrom(golden.Read<float>(name + ".b_scale"));
        return weights;
    }

    public static DeviceMatrix<BFloat16> Activations(ComputeDevice device, SafetensorsFile golden, string name)
    {
        long[] shape = golden.Get(name + ".x").Shape;
        return device.Upload<BFloat16>(golden.Read<BFloat16>(name + ".x"), shape[0], shape[1]);
    }

    /// <summary>Products of rows that were quantized inside.</summary>
    public static void CheckProduct(DeviceMatrix<BFloat16> found, SafetensorsFile golden, string name)
    {
        float[] c = Compare.ToSingle(found.ToArray());
        float[] expected = Compare.ToSingle(golden.Read<BFloat16>(name));
        Compare.RelativeError(c, expected).Should().BeLessThan(HalfPrecisionError, name);
    }
}
