namespace BlockQuant.Tests;

/// <summary>The example of the README, word for word between the markers.</summary>
internal static class ReadmeExample
{
    public static BFloat16[] Run(BFloat16[] x, QuantizedMatrix checkpointWeight, int tokens)
    {
        // readme-begin
        using ComputeDevice device = ComputeDevice.CreateDefault();                       // CUDA, OpenCL or CPU
        using var weight = device.Upload<Float8E4M3>(checkpointWeight);                    // [N, K] codes, 128x128 scales
        using var activations = device.Upload<BFloat16>(x, tokens, weight.Columns);        // [M, K]
        using var quantized = device.Fp8.Quantize(activations, QuantizationScheme.Fp8TokenGroup128);
        using var output = device.Fp8.Multiply<BFloat16>(quantized, weight);               // [M, N] = A x B^T
        return output.ToArray();
        // readme-end
    }
}
