using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>bfloat16 rows, their experts and the experts' weights on the device, the steps of a product, and samples of it in float64.</summary>
internal sealed class ExpertProblem : IDisposable
{
    private const int PoolBytes = 1 << 26, ValuePeriod = 3_000_017;
    private static readonly float[] Values = MakeValues();
    private readonly GpuTimer timer;
    private readonly RandomOperands operands = new();
    private readonly int[] ids;
    private readonly float[] weightScales;
    private readonly ExpertMatmulCall call;
    private readonly ExpertTileOperands tiles;
    private readonly ExpertPlaceOperands places;
    private readonly VectorOperands quantizing;
    private readonly (long Index, double Value)[] samples;

    /// <param name="timer">The device.</param>
    /// <param name="ids">The expert of each row; sorted for a grouped product.</param>
    /// <param name="experts">E.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K, a multiple of 128.</param>
    /// <param name="plan">How the product runs.</param>
    /// <param name="sorted">Whether the rows are sorted by expert; else they are sorted on the device, and results go back to their places.</param>
    public ExpertProblem(GpuTimer timer, int[] ids, int experts, int n, int k, HopperPlan plan, bool sorted)
    {
        (this.timer, this.ids, N, K) = (timer, ids, n, k);
        int rows = ids.Length, blocks = k / 128, blockRows = (n + 127) / 128;
        weightScales = RandomOperands.Scales((long)experts * blockRows * blocks, 2);
        int[] ends = Enumerable.Range(0, experts).Select(expert => ids.Count(id => id <= expert)).ToArray();
        IntPtr source = operands.Upload(Bits((long)rows * k), timer.Stream), codes = operands.Allocate((long)rows * k);
        IntPtr scales = operands.Allocate((long)rows * blocks * 4), offsets = operands.Upload(ends, timer.Stream);
        IntPtr tileOffsets = operands.Allocate((experts + 1) * 4), placed = operands.Allocate(rows * 4), places = operands.Allocate(rows * 4);
        call = new ExpertMatmulCall
        {
            Plan = plan,
            Rows = rows,
            N = n,
            K = k,
            Experts = experts,
            Activations = codes,
            ActivationScales = scales,
            ScaleRowStride = blocks,
            ScaleBlockStride = 1,
            Weights = Weights((long)experts * n * k),
            WeightScales = operands.Upload(weightScales, timer.Stream),
            Ends = offsets,
            TileOffsets = tileOffsets,
            OutputRows = sorted ? 0 : placed,
            Output = operands.Allocate((long)rows * n * 2),
            OutputType = OutputType.BFloat16,
        };
        tiles = new ExpertTileOperands
        {
            Offsets = offsets,
            OffsetCount = experts,
            Experts = experts,
            Rows = rows,
            TileM = plan.TileM,
            TileOffsets = tileOffsets,
            TileOffsetCount = experts + 1,
        };
        this.places = new ExpertPlaceOperands
        {
            Ids = operands.Upload(ids, timer.Stream),
            IdCount = rows,
            Places = places,
            PlaceCount = rows,
            Rows = placed,
            RowCount = rows,
            Ends = offsets,
            EndCount = experts,
            TileOffsets = tileOffsets,
            TileOffsetCount = experts + 1,
            Experts = experts,
            TileM = plan.TileM,
        };
        quantizing = new VectorOperands
        {
            Source = source,
            SourceVectors = (long)rows * k / 8,
            Output = codes,
            OutputVectors = (long)rows * k / 16,
            OutputScales = scales,
            OutputScaleCount = (long)rows * blocks,
            Places = sorted ? 0 : places,
            PlaceCount = sorted ? 0 : rows,
            Columns = k,
            Length = (long)rows * k,
        };
        samples = Samples();
    }

    public int N { get; }

    public int K { get; }

    /// <summary>Experts that have rows.</summary>
    public int UsedExperts => ids.Distinct().Count();

    /// <summary>A grouped product of bfloat16 rows.</summary>
    public void QuantizeAndMultiplyGroups()
    {
        VectorKernels.Current.Launch(VectorKernel.Of<BFloat16Element, Kernels.Portable.Float8Format>.QuantizeGroups, quantizing, timer.Stream);
        MultiplyGroups();
    }

    /// <summary>A grouped product of rows that are quantized already.</summary>
    public void MultiplyGroups()
    {
        HopperKernels.Current.ExpertTiles(tiles, timer.Stream);
        HopperKernels.Current.Matmul(call, timer.Stream);
    }

    /// <summary>A product of bfloat16 rows in any order.</summary>
    public void SortAndMultiply()
    {
        if (call.Plan.Kind == HopperKernelKind.BatchedDecode)
        {
            var operands = new BatchedQuantizeOperands { Matrix = quantizing, Ids = places.Ids, IdCount = places.IdCount, Experts = places.Experts };
            HopperKernels.Current.BatchedQuantize(ElementKind.BFloat16, operands, ids.Length, timer.Stream);
            HopperKernels.Current.Matmul(call with { Ids = places.Ids }, timer.Stream);
            return;
        }
        HopperKernels.Current.ExpertPlaces(places, timer.Stream);
        VectorKernels.Current.Launch(VectorKernel.Placed<BFloat16Element>.QuantizeGroups, quantizing, timer.Stream);
        HopperKernels.Current.Matmul(call, timer.Stream);
    }

    /// <summary>Relative error of the samples, after checking that every element is written and that a second run gives the same bits.</summary>
    public double Error(Action launch)
    {
        ushort[] first = Output(launch), second = Output(launch);
        if (!first.AsSpan().SequenceEqual(second))
            throw new InvalidOperationException($"{ids.Length} rows, {call.Plan}: two runs differ.");
        int missing = Array.IndexOf(first, ushort.MaxValue);
        if (missing >= 0)
            throw new InvalidOperationException($"{ids.Length} rows, {call.Plan}: element {missing} was not written.");
        double error = 0, norm = 0;
        foreach (var (index, value) in samples)
        {
            double difference = BFloat16Codec.Decode(first[checked((int)index)]) - value;
            error += difference * difference;
            norm += value * value;
        }
        return Math.Sqrt(error / norm);
    }

    public void Dispose() => operands.Free();

    private static float[] MakeValues()
    {
        var random = new Random(3);
        return Enumerable.Range(0, ValuePeriod).Select(_ =>
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            return BFloat16Codec.Decode(BFloat16Codec.Encode((float)normal));
        }).ToArray();
    }

    private static ushort[] Bits(long count)
    {
        ushort[] period = Array.ConvertAll(Values, value => (ushort)BFloat16Codec.Encode(value));
        var bits = new ushort[count];
        for (long done = 0; done < count; done += ValuePeriod)
            Array.Copy(period, 0, bits, done, Math.Min(ValuePeriod, count - done));
        return bits;
    }

    // Repeats of the pool, copied on the device.
    private IntPtr Weights(long bytes)
    {
        IntPtr pool = operands.Codes(0, Math.Min(bytes, PoolBytes), timer.Stream), weights = operands.Allocate(bytes);
        for (long done = 0; done < bytes; done += PoolBytes)
            Check(cuMemcpyAsync((IntPtr)((long)weights + done), pool, (nuint)Math.Min(PoolBytes, bytes - done), timer.Stream));
        Check(cuStreamSynchronize(timer.Stream));
        return weights;
    }

    private (long Index, double Value)[] Samples()
    {
        var random = new Random(4);
        int blocks = K / 128, blockRows = (N + 127) / 128;
        return Enumerable.Range(0, 40).SelectMany(i =>
        {
            // Also the ends of experts, where tiles are ragged, and the last columns.
            int row = i % 2 == 0 ? random.Next(ids.Length) : Array.LastIndexOf(ids, ids[random.Next(ids.Length)]);
            float[] x = Enumerable.Range(0, K).Select(column => Values[((long)row * K + column) % ValuePeriod]).ToArray();
            QuantizedMatrix a = ReferenceOperators.QuantizeFp8(x, 1, K, QuantizationScheme.Fp8TokenGroup128);
            return Enumerable.Range(0, 8).Select(j =>
            {
                int column = j == 0 ? N - 1 - i % Math.Min(N, 9) : random.Next(N);
                long weightRow = (long)ids[row] * N + column, scaleRow = (long)ids[row] * blockRows + column / 128;
                double sum = 0;
                for (int index = 0; index < K; index++)
                {
                    sum += Float8Codec.Decode(a.Codes.Span[index]) * (double)a.Scales.Span[index / 128]
                        * RandomOperands.Value((weightRow * K + index) % PoolBytes) * weightScales[scaleRow * blocks + index / 128];
                }
                return ((long)row * N + column, sum);
            });
        }).ToArray();
    }

    // Poisoned with NaN beforehand.
    private ushort[] Output(Action launch)
    {
        long elements = (long)ids.Length * N;
        Check(cuMemsetD8Async(call.Output, 0xff, (nuint)(elements * 2), timer.Stream));
        launch();
        return RandomOperands.Download<ushort>(call.Output, elements, timer.Stream);
    }
}
