using System.Diagnostics;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant;

/// <summary>A plan and what it took.</summary>
/// <param name="Plan">The plan.</param>
/// <param name="Microseconds">Time of one product, launched back to back.</param>
public readonly record struct PlanTiming(TilePlan Plan, double Microseconds);

/// <summary>Measures the plans of a dense FP8 or INT8 product on a device, for machines where the cost model's choice is not the best.</summary>
public static class PlanTuning
{
    private const long CacheBytes = 200_000_000;
    private const int MeasuredMilliseconds = 30, RandomStretch = 1_000_003, LongestPiece = 16 * RandomStretch;

    /// <summary>
    /// Measures every plan that may be fastest for activations [m, k] and weights [n, k] in 1×128 and 128×128 scale blocks with a BFloat16 output,
    /// and keeps the best in <paramref name="plans"/>.
    /// </summary>
    /// <param name="device">The device; nothing else should run on it. Operands are allocated for the time of the call.</param>
    /// <param name="m">Rows of the output.</param>
    /// <param name="n">Columns of the output.</param>
    /// <param name="k">Depth.</param>
    /// <param name="plans">Where the best plan goes; plans of the device's name.</param>
    /// <param name="format">What the codes of both operands are. A plan of INT8 also serves products with a bias or a quantized output.</param>
    /// <returns>All plans, fastest first.</returns>
    /// <remarks>The device's own plans stay as they are, so that the calls of other threads do not see the trials.</remarks>
    /// <exception cref="ArgumentException">The plans are of another device.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The operands do not fit.</exception>
    public static IReadOnlyList<PlanTiming> Tune(
        ComputeDevice device, int m, int n, int k, TunedPlans plans, ElementFormat format = ElementFormat.Float8E4M3)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(plans);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(m);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(k);
        if (plans.Device != device.Name)
        {
            throw new ArgumentException($"plans: of {plans.Device}; expected {device.Name}.", nameof(plans));
        }

        List<PlanTiming> timings = format switch
        {
            ElementFormat.Float8E4M3 => MeasureAll(device, m, n, k, Float8),
            ElementFormat.Int8 => MeasureAll(device, m, n, k, Int8),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Only products of FP8 and of INT8 have plans."),
        };
        timings.Sort((left, right) => left.Microseconds.CompareTo(right.Microseconds));
        plans.Set(m, n, k, timings[0].Plan, format);
        return timings;
    }

    private static Product<Float8E4M3> Float8 => new(
        QuantizationScheme.Fp8TokenGroup128,
        QuantizationScheme.Fp8Block128,
        random => (Float8E4M3)(float)((random.NextDouble() * 2 - 1) * 100),
        Float8Candidates,
        (device, activations, weights, output, plan)
            => Multiplication.Launch<Float8E4M3, BFloat16, Float8Format>(device, activations, weights, output, plan, stream: null));

    private static Product<sbyte> Int8 => new(
        QuantizationScheme.Int8TokenGroup128,
        QuantizationScheme.Int8Block128,
        random => (sbyte)random.Next(-127, 128),
        Int8Candidates,
        (device, activations, weights, output, plan)
            => Int8Multiplication.Launch(device, activations, weights, bias: default, output, plan, stream: null));

    private static List<PlanTiming> MeasureAll<TCode>(ComputeDevice device, int m, int n, int k, Product<TCode> product)
        where TCode : unmanaged
    {
        using QuantizedDeviceMatrix<TCode> activations = Random(device, m, k, product.Activations, product.Code, 1);
        // Copies enough that the weights come from memory, as they do where a model's layers take turns.
        int copies = device.Kind == DeviceKind.Cpu ? 1 : (int)Math.Clamp(CacheBytes / ((long)n * k) + 1, 1, 16);
        var weights = new List<QuantizedDeviceMatrix<TCode>>();
        try
        {
            for (int i = 0; i < copies; i++)
            {
                weights.Add(Random(device, n, k, product.Weights, product.Code, 2 + i));
            }

            using var output = new DeviceMatrix<BFloat16>(device, m, n);
            var timings = new List<PlanTiming>();
            foreach (TilePlan plan in product.Candidates(device, m, n, k))
            {
                timings.Add(new PlanTiming(
                    plan, Measure(device, turn => product.Multiply(device, activations.View, weights[turn % copies].View, output.View, plan))));
            }

            return timings;
        }
        finally
        {
            weights.ForEach(weight => weight.Dispose());
        }
    }

    private static IEnumerable<TilePlan> Int8Candidates(ComputeDevice device, int m, int n, int k)
    {
        TilePlan chosen = device.Int8.Plan(m, n, k, new TilePlanOverrides());
        return chosen.Hopper is not null
            ? Int8Scheduler.Candidates(m, n, k, device.Traits.Multiprocessors).Select(plan => chosen with { Hopper = plan })
            : TileScheduler.Candidates(chosen, device.Traits);
    }

    private static IEnumerable<TilePlan> Float8Candidates(ComputeDevice device, int m, int n, int k)
    {
        TilePlan chosen = device.Fp8.Plan(m, n, k, new TilePlanOverrides());
        if (chosen.Hopper is not null)
        {
            return HopperScheduler.Candidates(m, n, k, device.Traits.Multiprocessors).Select(plan => chosen with { Hopper = plan });
        }

        return chosen.TensorCores is { } tensor
            ? DenseTensorScheduler.Candidates(tensor).Select(plan => chosen with { TensorCores = plan })
            : TileScheduler.Candidates(chosen, device.Traits);
    }

    private static double Measure(ComputeDevice device, Action<int> multiply)
    {
        multiply(0);
        device.Synchronize();
        double best = double.PositiveInfinity;
        int launches = 1;
        long begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun).TotalMilliseconds < MeasuredMilliseconds)
        {
            long start = Stopwatch.GetTimestamp();
            for (int turn = 0; turn < launches; turn++)
            {
                multiply(turn);
            }

            device.Synchronize();
            TimeSpan taken = Stopwatch.GetElapsedTime(start);
            best = Math.Min(best, taken.TotalMicroseconds / launches);
            launches = taken.TotalMilliseconds < 2 ? launches * 2 : launches;
        }

        return best;
    }

    /// <summary>A matrix of random codes.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="code">Makes a code.</param>
    /// <param name="seed">Tells matrices apart.</param>
    /// <param name="longestPiece">Codes that the host has in memory at most: the matrix may have more than an array holds.</param>
    internal static QuantizedDeviceMatrix<TCode> Random<TCode>(
        ComputeDevice device, long rows, long columns, QuantizationScheme scheme, Func<Random, TCode> code, int seed, int longestPiece = LongestPiece)
        where TCode : unmanaged
    {
        // Random bits: speed depends on power, and power on the bits.
        var random = new Random(seed);
        long length = Require.Elements("matrix", rows, columns);
        var codes = new TCode[Math.Min(length, longestPiece)];
        int stretch = Math.Min(codes.Length, RandomStretch);
        for (int i = 0; i < stretch; i++)
        {
            codes[i] = code(random);
        }

        for (int begin = stretch; begin < codes.Length; begin += stretch)
        {
            Array.Copy(codes, 0, codes, begin, Math.Min(stretch, codes.Length - begin));
        }

        return Result.Filled(new QuantizedDeviceMatrix<TCode>(device, rows, columns, scheme), matrix =>
        {
            for (long begin = 0; begin < length; begin += codes.Length)
            {
                matrix.Codes.CopyFrom(codes.AsSpan(0, (int)Math.Min(codes.Length, length - begin)), begin);
            }

            var scales = new float[matrix.Scales.Rows * matrix.Scales.Columns];
            Array.Fill(scales, 0.01f);
            matrix.Scales.CopyFrom(scales);
        });
    }

    /// <summary>What the products of one format differ in.</summary>
    private sealed record Product<TCode>(
        QuantizationScheme Activations,
        QuantizationScheme Weights,
        Func<Random, TCode> Code,
        Func<ComputeDevice, int, int, int, IEnumerable<TilePlan>> Candidates,
        Action<ComputeDevice, QuantizedView<TCode>, QuantizedView<TCode>, MatrixView<BFloat16>, TilePlan> Multiply)
        where TCode : unmanaged;
}
