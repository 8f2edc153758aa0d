using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Random operands of one block-scaled matmul on the device, and samples of its result in float64.</summary>
internal sealed class DenseProblem : IDisposable
{
    private const long WeightOffset = 12_345_677, CacheBytes = 200_000_000;
    private readonly GpuTimer timer;
    private readonly RandomOperands operands = new();
    private readonly IntPtr[] weights;
    private readonly MatmulCall call;
    private readonly (long Index, double Value)[] samples;
    private readonly int elementBytes;

    public DenseProblem(GpuTimer timer, int m, int n, int k, OutputType type, bool columnMajorScales, bool rotate)
    {
        this.timer = timer;
        (M, N, K) = (m, n, k);
        elementBytes = type == OutputType.Single ? 4 : 2;
        int blocks = (k + 127) / 128, blockRows = (n + 127) / 128;
        int copies = rotate ? (int)Math.Clamp(CacheBytes / ((long)n * k) + 1, 1, 16) : 1;
        weights = Enumerable.Range(0, copies).Select(_ => operands.Codes(WeightOffset, (long)n * k, timer.Stream)).ToArray();
        float[] rowScales = RandomOperands.Scales((long)m * blocks, 1), weightScales = RandomOperands.Scales((long)blockRows * blocks, 2);
        var (rowStride, blockStride) = columnMajorScales ? (1, m) : (blocks, 1);
        call = new MatmulCall
        {
            Plan = default,
            M = m,
            N = n,
            K = k,
            Activations = operands.Codes(0, (long)m * k, timer.Stream),
            ActivationPitch = k,
            ActivationScales = operands.Upload(rowScales, timer.Stream),
            ScaleRowStride = rowStride,
            ScaleBlockStride = blockStride,
            Weights = weights[0],
            WeightPitch = k,
            WeightScales = operands.Upload(weightScales, timer.Stream),
            Output = operands.Allocate((long)m * n * elementBytes),
            OutputPitch = n,
            OutputType = type,
            // As the operators launch it with weights that are IsConstant.
            ConstantWeights = true,
        };
        var random = new Random(3);
        samples = Enumerable.Range(0, 300).Select(i =>
        {
            // Half of the samples lie in the last rows, and some in the last columns, where the ragged edges are.
            int row = i % 2 == 0 ? random.Next(m) : m - 1 - random.Next(Math.Min(m, 9));
            int column = i < 16 ? n - 1 - i : random.Next(n);
            double sum = 0;
            for (int index = 0; index < k; index++)
            {
                double scale = (double)rowScales[row * (long)rowStride + index / 128 * (long)blockStride]
                    * weightScales[column / 128 * blocks + index / 128];
                sum += RandomOperands.Value((long)row * k + index)
                    * (double)RandomOperands.Value(WeightOffset + (long)column * k + index) * scale;
            }
            return ((long)row * n + column, sum);
        }).ToArray();
    }

    /// <summary>The activations' codes on the device.</summary>
    public IntPtr Activations => call.Activations;

    /// <summary>Their scales.</summary>
    public IntPtr ActivationScales => call.ActivationScales;

    public int M { get; }

    public int N { get; }

    public int K { get; }

    /// <summary>Copies of the weights that launches take turns with, so that none is found in the L2 cache.</summary>
    public int WeightCopies => weights.Length;

    /// <summary>The product as a plan runs it, with the copy of the weights whose turn it is.</summary>
    public MatmulCall Call(HopperPlan plan, int turn) => call with { Plan = plan, Weights = weights[turn % weights.Length] };

    public void Launch(HopperPlan plan, int turn) => HopperKernels.Current.Matmul(Call(plan, turn), timer.Stream);

    /// <summary>Relative error of the samples, after checking that every element is written and that a second run gives the same bits.</summary>
    public double Error(HopperPlan plan)
    {
        byte[] first = Output(() => Launch(plan, 0)), second = Output(() => Launch(plan, 0));
        if (!first.AsSpan().SequenceEqual(second))
            throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: two runs differ.");
        for (long i = 0; i < (long)M * N; i++)
        {
            if (double.IsNaN(Element(first, i)))
                throw new InvalidOperationException($"{M} x {N} x {K}, {plan}: element {i} was not written.");
        }
        double error = 0, norm = 0;
        foreach (var (index, value) in samples)
        {
            double difference = Element(first, index) - value;
            error += difference * difference;
            norm += value * value;
        }
        return Math.Sqrt(error / norm);
    }

    public void Dispose() => operands.Free();

    /// <summary>What a launch writes; poisoned with NaN beforehand.</summary>
    public byte[] Output(Action launch)
    {
        long bytes = (long)M * N * elementBytes;
        Check(cuMemsetD8Async(call.Output, 0xff, (nuint)bytes, timer.Stream));
        launch();
        return RandomOperands.Download<byte>(call.Output, bytes, timer.Stream);
    }

    private double Element(byte[] bytes, long index) => call.OutputType switch
    {
        OutputType.Single => BitConverter.ToSingle(bytes, checked((int)(index * 4))),
        OutputType.Half => (double)BitConverter.ToHalf(bytes, checked((int)(index * 2))),
        _ => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes, checked((int)(index * 2))) << 16),
    };
}
