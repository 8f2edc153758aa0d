using BlockQuant.Kernels.Portable;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>What operators that quantize their own INT8 output have in common.</summary>
internal static class Int8Output
{
    /// <summary>One scale a row and block of columns: a group has no more of the output than that in hand.</summary>
    public static void Validate(ComputeDevice device, QuantizedView<sbyte> output, long rows, long columns)
    {
        Require.Quantized(device, output, ElementFormat.Int8, nameof(output));
        Require.Shape(output.Codes, rows, columns, nameof(output));
        Require.Disjoint(output.Codes.Data, "output codes", output.Scales.Data, "output scales");
        if (output.Scheme.Granularity == ScaleGranularity.Tensor || output.BlockRows != 1)
        {
            throw new ArgumentException(
                $"output: one scale for {output.BlockRows} x {output.BlockColumns} elements, per {output.Scheme.Granularity}; expected scales per row and block.",
                nameof(output));
        }

        Require.BlockStart(output, nameof(output));
    }

    /// <summary>The scales of an output without columns, where one covers a whole row: those of a row of zeros.</summary>
    public static void LaunchEmpty(ComputeDevice device, QuantizedView<sbyte> output, AcceleratorStream? stream)
        => Quantization.LaunchEmpty<Int8TowardZeroFormat>(device, output.Scales.Data, Int8Code.MinOutputScale, stream);

    public static bool IsNearest(RoundingMode rounding) => rounding switch
    {
        RoundingMode.ReferenceCompatible => false,
        RoundingMode.Nearest => true,
        _ => throw new ArgumentException($"rounding: {rounding}; expected {RoundingMode.ReferenceCompatible} or {RoundingMode.Nearest}.", nameof(rounding)),
    };
}
