using System.Diagnostics;

namespace BlockQuant.Tool.Commands;

/// <summary>A multiplication C [M, N] = A [M, K] · B [N, K]ᵀ.</summary>
/// <param name="Rows">M.</param>
/// <param name="Outputs">N.</param>
/// <param name="Depth">K.</param>
internal sealed record BenchShape(long Rows, long Outputs, long Depth);

/// <summary>The timing of one operation.</summary>
/// <param name="Operation">Its name.</param>
/// <param name="MedianSeconds">The median of the timed runs.</param>
/// <param name="BytesPerSecond">Bytes it must read and write, by the median.</param>
/// <param name="OperationsPerSecond">Floating-point operations by the median, where they are what counts.</param>
internal sealed record BenchResult(string Operation, double MedianSeconds, double BytesPerSecond, double? OperationsPerSecond);

/// <summary>Times operators on random operands, each run from the launch until the device is done.</summary>
internal static class DeviceBench
{
    private const int Seed = 1;

    public static IReadOnlyList<BenchResult> Run(ComputeDevice device, BenchShape shape, int iterations)
    {
        (long m, long n, long k) = (shape.Rows, shape.Outputs, shape.Depth);
        using DeviceMatrix<BFloat16> activations = device.Upload<BFloat16>(RandomElements(m, k), m, k);
        using DeviceMatrix<BFloat16> source = device.Upload<BFloat16>(RandomElements(n, k), n, k);
        using var quantizedActivations = new QuantizedDeviceMatrix<Float8E4M3>(device, m, k, QuantizationScheme.Fp8TokenGroup128);
        using var weight = new QuantizedDeviceMatrix<Float8E4M3>(device, n, k, QuantizationScheme.Fp8Block128);
        using var output = new DeviceMatrix<BFloat16>(device, m, n);
        using var dequantized = new DeviceMatrix<BFloat16>(device, n, k);

        BenchResult Time(string operation, long bytes, double? operations, Action run)
        {
            // The first run compiles the kernel.
            run();
            device.Synchronize();
            var seconds = new double[iterations];
            for (int iteration = 0; iteration < iterations; iteration++)
            {
                long start = Stopwatch.GetTimestamp();
                run();
                device.Synchronize();
                seconds[iteration] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }

            Array.Sort(seconds);
            double median = seconds[iterations / 2];
            return new BenchResult(operation, median, bytes / median, operations / median);
        }

        return
        [
            Time("quantize weight (BF16 to FP8 128x128)", 3 * n * k, null, () => device.Fp8.Quantize(source.View, weight.View)),
            Time("dequantize weight (FP8 to BF16)", 3 * n * k, null, () => device.Fp8.Dequantize(weight.View, dequantized.View)),
            Time("quantize activations (BF16 to FP8 1x128)", 3 * m * k, null, () => device.Fp8.Quantize(activations.View, quantizedActivations.View)),
            Time(
                "multiply (FP8 x FP8 to BF16)",
                n * k + m * k + 2 * m * n,
                2.0 * m * n * k,
                () => device.Fp8.Multiply(quantizedActivations.View, weight.View, output.View)),
        ];
    }

    private static BFloat16[] RandomElements(long rows, long columns)
    {
        if (rows * columns > Array.MaxLength)
        {
            throw new InputException($"a matrix of {rows}x{columns} has more elements than bench makes up; expected {Array.MaxLength} at most.");
        }

        var random = new Random(Seed);
        var values = new BFloat16[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BFloat16.FromSingle(random.NextSingle() * 2 - 1);
        }

        return values;
    }
}
