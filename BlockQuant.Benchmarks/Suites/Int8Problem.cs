using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Random operands of one block-scaled INT8 matmul on the device, and samples of its result in float64.</summary>
internal sealed class Int8Problem : IDisposable
{
    private const long CacheBytes = 200_000_000;
    private const int Block = 128, SampledGroups = 40;
    private readonly GpuTimer timer;
    private readonly RandomOperands operands = new();
    private readonly IntPtr[] weights;
    private readonly Int8MatmulCall call;
    private readonly int elementBytes;
    private readonly Sample[] samples;

    /// <summary>Makes the operands; without an output type the output is quantized.</summary>
    public Int8Problem(GpuTimer timer, int m, int n, int k, OutputType? type, bool bias, bool nearest, bool rotate)
    {
        this.timer = timer;
        (M, N, K) = (m, n, k);
        elementBytes = type switch { null => 1, OutputType.Single => 4, _ => 2 };
        int blocks = Blocks(k);
        byte[] a = Codes((long)m * k, 1), b = Codes((long)n * k, 2);
        float[] rowScales = RandomOperands.Scales((long)m * blocks, 3), weightScales = RandomOperands.Scales((long)Blocks(n) * blocks, 4);
        float[] biases = RandomOperands.Scales(n, 5).Select((value, i) => (i % 2 == 0 ? value : -value) * 100).ToArray();
        int copies = rotate ? (int)Math.Clamp(CacheBytes / ((long)n * k) + 1, 1, 16) : 1;
        weights = Enumerable.Range(0, copies).Select(_ => operands.Upload(b, timer.Stream)).ToArray();
        call = new Int8MatmulCall
        {
            Product = new MatmulCall
            {
                Plan = default,
                M = m,
                N = n,
                K = k,
                Activations = operands.Upload(a, timer.Stream),
                ActivationPitch = k,
                ActivationScales = operands.Upload(rowScales, timer.Stream),
                ScaleRowStride = blocks,
                ScaleBlockStride = 1,
                Weights = weights[0],
                WeightPitch = k,
                WeightScales = operands.Upload(weightScales, timer.Stream),
                Output = operands.Allocate((long)m * n * elementBytes),
                OutputPitch = n,
                OutputType = type ?? default,
                // As the operators launch it with weights that are IsConstant.
                ConstantWeights = true,
            },
            Bias = bias ? operands.Upload(biases, timer.Stream) : 0,
            OutputScales = type is null ? operands.Allocate((long)m * Blocks(n) * 4) : 0,
            Nearest = nearest,
        };
        var random = new Random(6);
        samples = Enumerable.Range(0, SampledGroups).Select(i =>
        {
            // Half of the samples lie in the last rows, and some in the last columns, where the ragged edges are.
            int row = i % 2 == 0 ? random.Next(m) : m - 1 - random.Next(Math.Min(m, 9));
            int group = i < 8 ? Blocks(n) - 1 : random.Next(Blocks(n));
            var values = new double[Math.Min(Block, n - group * Block)];
            Parallel.For(0, values.Length, c =>
            {
                int column = group * Block + c;
                double sum = bias ? biases[column] : 0;
                for (int start = 0; start < k; start += Block)
                {
                    int whole = 0;
                    for (int index = start; index < Math.Min(start + Block, k); index++)
                        whole += (sbyte)a[(long)row * k + index] * (sbyte)b[(long)column * k + index];
                    sum += (double)rowScales[row * blocks + start / Block] * weightScales[group * blocks + start / Block] * whole;
                }
                values[c] = sum;
            });
            return new Sample(row, group, values);
        }).ToArray();
    }

    public int M { get; }

    public int N { get; }

    public int K { get; }

    /// <summary>Copies of the weights that launches take turns with, so that none is found in the L2 cache.</summary>
    public int WeightCopies => weights.Length;

    /// <summary>Bytes read and written, each once.</summary>
    public double Bytes => (double)N * K + (double)M * K + (double)elementBytes * M * N;

    public void Launch(HopperPlan plan, int turn)
        => HopperKernels.Current.Matmul(
            call with { Product = call.Product with { Plan = plan, Weights = weights[turn % weights.Length] } }, timer.Stream);

    /// <summary>
    /// Relative error of the samples against float64, after checking that a second run gives the same bits, and that codes and scales
    /// are those of the float64 product but for roundings.
    /// </summary>
    public double Error(HopperPlan plan)
    {
        var (first, firstScales) = Output(plan);
        var (second, secondScales) = Output(plan);
        if (!first.AsSpan().SequenceEqual(second) || !firstScales.AsSpan().SequenceEqual(secondScales))
            throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: two runs differ.");
        double error = 0, norm = 0;
        int apart = 0, codes = 0;
        foreach (var (row, group, values) in samples)
        {
            double scale = call.OutputScales == 0 ? 1 : firstScales[(long)row * Blocks(N) + group];
            double expected = Math.Max(values.Max(Math.Abs) / 127, 1e-8);
            if (call.OutputScales != 0 && !(Math.Abs(scale - expected) <= 2e-6 * expected))
                throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: scale of row {row}, group {group} is {scale}; expected {expected}.");
            for (int c = 0; c < values.Length; c++)
            {
                double found = Element(first, (long)row * N + group * Block + c);
                if (call.OutputScales != 0)
                {
                    double quotient = values[c] / expected;
                    double code = call.Nearest ? Math.Round(quotient) : Math.Truncate(quotient);
                    if (Math.Abs(found - code) > 1)
                        throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: code {found} in row {row}, group {group}; expected {code}.");
                    apart += found == code ? 0 : 1;
                    codes++;
                }
                error += Math.Pow(found * scale - values[c], 2);
                norm += values[c] * values[c];
            }
        }
        return apart * 200 <= codes
            ? Math.Sqrt(error / norm)
            : throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: {apart} of {codes} codes are one step off.");
    }

    public void Dispose() => operands.Free();

    // Poisoned beforehand; NaN in the float types.
    private (byte[] Elements, float[] Scales) Output(HopperPlan plan)
    {
        long bytes = (long)M * N * elementBytes, scales = call.OutputScales == 0 ? 0 : (long)M * Blocks(N);
        Check(cuMemsetD8Async(call.Product.Output, call.OutputScales == 0 ? (byte)0xff : (byte)0x80, (nuint)bytes, timer.Stream));
        if (scales > 0)
            Check(cuMemsetD8Async(call.OutputScales, 0xff, (nuint)(scales * 4), timer.Stream));
        Launch(plan, 0);
        byte[] elements = RandomOperands.Download<byte>(call.Product.Output, bytes, timer.Stream);
        float[] found = scales > 0 ? RandomOperands.Download<float>(call.OutputScales, scales, timer.Stream) : [];
        long missing = call.OutputScales != 0
            ? elements.LongCount(code => code == 0x80) + found.LongCount(float.IsNaN)
            : Enumerable.Range(0, checked((int)((long)M * N))).Count(i => double.IsNaN(Element(elements, i)));
        return missing == 0
            ? (elements, found)
            : throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: {missing} elements were not written.");
    }

    private double Element(byte[] bytes, long index) => elementBytes == 1
        ? (sbyte)bytes[index]
        : call.Product.OutputType switch
        {
            OutputType.Single => BitConverter.ToSingle(bytes, checked((int)(index * 4))),
            OutputType.Half => (double)BitConverter.ToHalf(bytes, checked((int)(index * 2))),
            _ => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes, checked((int)(index * 2))) << 16),
        };

    private static int Blocks(int extent) => (extent + Block - 1) / Block;

    // Normally distributed, 127 being 3.3 standard deviations.
    private static byte[] Codes(long count, int seed)
    {
        var random = new Random(seed);
        var table = new byte[1 << 16];
        for (int i = 0; i < table.Length; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            table[i] = (byte)(sbyte)Math.Clamp(Math.Round(normal * 38), -127, 127);
        }
        var codes = new byte[count];
        ulong state = 0x9E3779B97F4A7C15 ^ (ulong)seed << 32;
        for (long i = 0; i < count; i++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            codes[i] = table[state >> 40 & 0xffff];
        }
        return codes;
    }

    private sealed record Sample(int Row, int Group, double[] Values);
}
