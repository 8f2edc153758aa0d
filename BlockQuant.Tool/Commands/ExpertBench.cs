namespace BlockQuant.Tool.Commands;

/// <summary>Times products of rows sorted by expert, each row's expert drawn at random, the same from run to run.</summary>
internal static class ExpertBench
{
    private const int Seed = 2;

    /// <param name="device">Where.</param>
    /// <param name="shape">M rows of all experts together, and each expert's [N, K].</param>
    /// <param name="experts">E.</param>
    /// <param name="iterations">Timed runs of each operation.</param>
    public static IReadOnlyList<BenchResult> Run(ComputeDevice device, BenchShape shape, int experts, int iterations)
    {
        (long m, long n, long k) = (shape.Rows, shape.Outputs, shape.Depth);
        using var weights = new ExpertWeights<Float8E4M3>(device, experts, n, k, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<BFloat16> floats = DeviceBench.Random(device, m, k);
        using var codes = new QuantizedDeviceMatrix<Float8E4M3>(device, m, k, QuantizationScheme.Fp8TokenGroup128);
        using var output = new DeviceMatrix<BFloat16>(device, m, n);
        QuantizeWeights(device, weights);
        int[] indptr = Indptr(experts, m, out int taken);
        using DeviceBuffer<int> offsets = device.Upload<int>(indptr);
        using DeviceBuffer<int> workspace = device.Allocate<int>(device.Fp8.GroupedWorkspaceLength(m, weights.View));
        BenchResult Time(string operation, long bytes, double? operations, Action run)
            => DeviceBench.Time(device, iterations, operation, bytes, operations, run);

        // Only the weights of experts that have rows are read.
        long read = taken * n * k, written = 2 * m * n;
        return
        [
            Time(
                "multiply by expert (BF16 x FP8 to BF16)",
                read + 2 * m * k + written,
                2.0 * m * n * k,
                () => device.Fp8.MultiplyGrouped(floats.View, weights.View, offsets.View, output.View, workspace.View)),
            Time("quantize activations (BF16 to FP8 1x128)", 3 * m * k, null, () => device.Fp8.Quantize(floats.View, codes.View)),
            Time(
                "multiply by expert (FP8 x FP8 to BF16)",
                read + m * k + written,
                2.0 * m * n * k,
                () => device.Fp8.MultiplyGrouped(codes.View, weights.View, offsets.View, output.View, workspace.View)),
        ];
    }

    // One weight serves all experts: what is timed does not depend on the values.
    private static void QuantizeWeights(ComputeDevice device, ExpertWeights<Float8E4M3> weights)
    {
        using DeviceMatrix<BFloat16> floats = DeviceBench.Random(device, weights.Rows, weights.Columns);
        for (int expert = 0; expert < weights.Experts; expert++)
        {
            device.Fp8.Quantize(floats.View, weights.View.Expert(expert));
        }

        device.Synchronize();
    }

    private static int[] Indptr(int experts, long rows, out int taken)
    {
        var random = new Random(Seed);
        var indptr = new int[experts + 1];
        for (long row = 0; row < rows; row++)
        {
            indptr[random.Next(experts) + 1]++;
        }

        taken = indptr.Count(count => count > 0);
        for (int expert = 0; expert < experts; expert++)
        {
            indptr[expert + 1] += indptr[expert];
        }

        return indptr;
    }
}
