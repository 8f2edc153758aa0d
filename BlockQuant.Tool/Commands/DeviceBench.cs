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
/// <param name="OperationsPerSecond">Multiplications and additions by the median, where they are what counts.</param>
internal sealed record BenchResult(string Operation, double MedianSeconds, double BytesPerSecond, double? OperationsPerSecond);

/// <summary>Times operators on random operands.</summary>
internal static class DeviceBench
{
    private const int Seed = 1;

    public static IReadOnlyList<BenchResult> Run(ComputeDevice device, ElementFormat format, BenchShape shape, int iterations)
        => format == ElementFormat.Int8 ? RunInt8(device, shape, iterations) : RunFp8(device, shape, iterations);

    private static BenchResult[] RunFp8(ComputeDevice device, BenchShape shape, int iterations)
    {
        (long m, long n, long k) = (shape.Rows, shape.Outputs, shape.Depth);
        using var floats = new Floats(device, shape);
        using var activations = new QuantizedDeviceMatrix<Float8E4M3>(device, m, k, QuantizationScheme.Fp8TokenGroup128);
        using var weight = new QuantizedDeviceMatrix<Float8E4M3>(device, n, k, QuantizationScheme.Fp8Block128);
        BenchResult Time(string operation, long bytes, double? operations, Action run) => DeviceBench.Time(device, iterations, operation, bytes, operations, run);
        return
        [
            Time("quantize weight (BF16 to FP8 128x128)", 3 * n * k, null, () => device.Fp8.Quantize(floats.Weight.View, weight.View)),
            Time("dequantize weight (FP8 to BF16)", 3 * n * k, null, () => device.Fp8.Dequantize(weight.View, floats.Dequantized.View)),
            Time("quantize activations (BF16 to FP8 1x128)", 3 * m * k, null, () => device.Fp8.Quantize(floats.Activations.View, activations.View)),
            Time(
                "multiply (FP8 x FP8 to BF16)",
                n * k + m * k + 2 * m * n,
                2.0 * m * n * k,
                () => device.Fp8.Multiply(activations.View, weight.View, floats.Output.View)),
        ];
    }

    private static BenchResult[] RunInt8(ComputeDevice device, BenchShape shape, int iterations)
    {
        (long m, long n, long k) = (shape.Rows, shape.Outputs, shape.Depth);
        using var floats = new Floats(device, shape);
        using var activations = new QuantizedDeviceMatrix<sbyte>(device, m, k, QuantizationScheme.Int8TokenGroup128);
        using var weight = new QuantizedDeviceMatrix<sbyte>(device, n, k, QuantizationScheme.Int8Block128);
        using var product = new QuantizedDeviceMatrix<sbyte>(device, m, n, QuantizationScheme.Int8TokenGroup128);
        using var activated = new QuantizedDeviceMatrix<sbyte>(device, m, n, QuantizationScheme.Int8TokenGroup128);
        BenchResult Time(string operation, long bytes, double? operations, Action run) => DeviceBench.Time(device, iterations, operation, bytes, operations, run);
        return
        [
            Time("quantize weight (BF16 to INT8 128x128)", 3 * n * k, null, () => device.Int8.Quantize(floats.Weight.View, weight.View)),
            Time("dequantize weight (INT8 to BF16)", 3 * n * k, null, () => device.Int8.Dequantize(weight.View, floats.Dequantized.View)),
            Time("quantize activations (BF16 to INT8 1x128)", 3 * m * k, null, () => device.Int8.Quantize(floats.Activations.View, activations.View)),
            Time(
                "multiply (INT8 x INT8 to BF16)",
                n * k + m * k + 2 * m * n,
                2.0 * m * n * k,
                () => device.Int8.Multiply(activations.View, weight.View, floats.Output.View)),
            Time(
                "multiply and quantize (INT8 x INT8 to INT8 1x128)",
                n * k + m * k + m * n,
                2.0 * m * n * k,
                () => device.Int8.MultiplyQuantize(activations.View, weight.View, product.View)),
            Time("GELU (INT8 to INT8 1x128)", 2 * m * n, null, () => device.Int8.Gelu(product.View, activated.View)),
        ];
    }

    /// <summary>The median time of an operation, each run from the launch until the device is done.</summary>
    public static BenchResult Time(ComputeDevice device, int iterations, string operation, long bytes, double? operations, Action run)
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

    /// <summary>A matrix of elements between -1 and 1, the same from run to run.</summary>
    public static DeviceMatrix<BFloat16> Random(ComputeDevice device, long rows, long columns)
        => device.Upload<BFloat16>(RandomElements(rows, columns), rows, columns);

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

    /// <summary>The operands before they are quantized, and what is made of them.</summary>
    private sealed class Floats(ComputeDevice device, BenchShape shape) : IDisposable
    {
        public DeviceMatrix<BFloat16> Activations { get; } = Random(device, shape.Rows, shape.Depth);

        public DeviceMatrix<BFloat16> Weight { get; } = Random(device, shape.Outputs, shape.Depth);

        public DeviceMatrix<BFloat16> Dequantized { get; } = new(device, shape.Outputs, shape.Depth);

        public DeviceMatrix<BFloat16> Output { get; } = new(device, shape.Rows, shape.Outputs);

        public void Dispose()
        {
            Activations.Dispose();
            Weight.Dispose();
            Dequantized.Dispose();
            Output.Dispose();
        }
    }
}
