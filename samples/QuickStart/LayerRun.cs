using System.Diagnostics;
using BlockQuant.Reference;
using BlockQuant.Scheduling;

namespace BlockQuant.QuickStart;

/// <summary>Quantizes the activations, multiplies, and compares.</summary>
internal static class LayerRun
{
    /// <summary>The most that the bf16 result of a right kernel lies from a reference.</summary>
    private const double Bound = 3e-3;

    /// <returns>Whether the result is right.</returns>
    public static bool Run(Layer layer, DeviceKind? kind, TilePlanOverrides overrides)
    {
        using ComputeDevice device = kind is { } forced ? ComputeDevice.Create(forced) : ComputeDevice.CreateDefault();
        long n = layer.Weight.Rows;
        long k = layer.Weight.Columns;
        Console.WriteLine($"device: {device}");
        Console.WriteLine($"tile plan: {device.Fp8.Plan(layer.Rows, n, k, overrides)}");

        using QuantizedDeviceMatrix<Float8E4M3> weight = device.Upload<Float8E4M3>(layer.Weight);
        using DeviceMatrix<BFloat16> activations = device.Upload<BFloat16>(layer.Activations, layer.Rows, k);
        using var quantized = new QuantizedDeviceMatrix<Float8E4M3>(device, layer.Rows, k, QuantizationScheme.Fp8TokenGroup128);
        using var output = new DeviceMatrix<BFloat16>(device, layer.Rows, n);

        // The first pass compiles the kernels; the second is timed.
        TimeSpan elapsed = default;
        for (int pass = 0; pass < 2; pass++)
        {
            long start = Stopwatch.GetTimestamp();
            device.Fp8.Quantize(activations.View, quantized.View);
            device.Fp8.Multiply(quantized.View, weight.View, output.View, overrides);
            device.Synchronize();
            elapsed = Stopwatch.GetElapsedTime(start);
        }

        double operations = 2.0 * layer.Rows * n * k;
        Console.WriteLine(
            $"{layer.Name}: [{layer.Rows}, {k}] x [{n}, {k}]T quantized and multiplied in {elapsed.TotalMilliseconds:F3} ms ({operations / elapsed.TotalSeconds / 1e9:F1} GFLOP/s)");
        double error = layer.Reference is { } reference
            ? RelativeError(output.ToArray(), Array.ConvertAll(reference, value => (double)value.ToSingle()))
            : RelativeError(output.ToArray(), Float64Reference(layer));
        Console.WriteLine($"reference: {(layer.Reference is null ? "float64 reference operators" : "reference_output of the file")}");
        Console.WriteLine(FormattableString.Invariant($"relative error vs reference: {error:E3}"));
        return error <= Bound;
    }

    private static double[] Float64Reference(Layer layer)
    {
        QuantizedMatrix quantized = ReferenceOperators.QuantizeFp8(
            Array.ConvertAll(layer.Activations, value => value.ToSingle()), layer.Rows, layer.Weight.Columns, QuantizationScheme.Fp8TokenGroup128);
        return ReferenceOperators.Multiply(quantized, layer.Weight);
    }

    /// <summary>‖found − expected‖ / ‖expected‖ (Frobenius).</summary>
    private static double RelativeError(BFloat16[] found, double[] expected)
    {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < found.Length; i++)
        {
            double delta = found[i].ToSingle() - expected[i];
            difference += delta * delta;
            norm += expected[i] * expected[i];
        }

        return Math.Sqrt(difference / norm);
    }
}
