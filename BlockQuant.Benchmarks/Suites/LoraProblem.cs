using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.TensorCores.Lora;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>One LoRA shrink or expand of FP8 codes on the device, with copies of its weights enough that the second level of cache holds none.</summary>
internal sealed unsafe class LoraProblem : IDisposable
{
    /// <summary>The hidden size: K of a shrink, columns of an expand.</summary>
    public const int Hidden = 4096;

    private const int Adapters = 8;
    private const int SampledTokens = 32;
    private const float Scaling = 0.5f;
    private readonly GpuTimer timer;
    private readonly RandomOperands operands = new();
    private readonly bool isExpand, blocks;
    private readonly int[] adapters;
    private readonly float[] inputScales, weightScales;
    private readonly int depth, width;
    private readonly SliceParameter[] slices;
    private readonly TensorCoreKernel kernel;
    private LoraCall call;

    public LoraProblem(GpuTimer timer, int tokens, int rank, bool isExpand, bool blocks)
    {
        (this.timer, this.isExpand, this.blocks, Tokens, Rank) = (timer, isExpand, blocks, tokens, rank);
        (depth, width) = isExpand ? (rank, Hidden) : (Hidden, rank);
        var random = new Random(tokens + rank);
        adapters = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(Adapters))];
        inputScales = RandomOperands.Scales(tokens * (blocks ? Hidden / 128 : 1), 1);
        weightScales = RandomOperands.Scales(Adapters * (blocks ? Hidden / 128 : width), 2);
        long weights = (long)Adapters * rank * Hidden;
        int outputBytes = isExpand ? 2 : 4;
        Bytes = weights + (double)tokens * depth + (double)tokens * width * outputBytes;
        Copies = (int)(150_000_000 / weights + 1);
        slices = [.. Enumerable.Range(0, Copies).Select(_ => new SliceParameter
        {
            Values = operands.Codes(tokens * depth, weights, timer.Stream),
            AdapterPitch = (long)rank * Hidden,
            RowPitch = depth,
            Scales = operands.Upload(weightScales, timer.Stream),
            ScaleAdapterPitch = weightScales.Length / Adapters * sizeof(float),
            ScaleRowPitch = blocks ? Hidden / 128 * sizeof(float) : sizeof(float),
            Rows = width,
            Columns = depth,
            ScaleRowShift = blocks ? 7 : 0,
            ScaleStep = blocks ? sizeof(float) : 0,
        })];
        int[] sorted = [.. Enumerable.Range(0, tokens).OrderBy(token => adapters[token])];
        int[] counts = [.. Enumerable.Range(-1, Adapters + 1).Select(adapter => adapters.Count(id => id == adapter))];
        int[] starts = [.. Enumerable.Range(0, Adapters + 2).Select(entry => counts[..entry].Sum())];
        call = new LoraCall
        {
            Input = operands.Codes(0, (long)tokens * depth, timer.Stream),
            InputPitch = depth,
            InputScales = operands.Upload(inputScales, timer.Stream),
            InputScalePitch = inputScales.Length / tokens * sizeof(float),
            InputScaleStep = blocks ? sizeof(float) : 0,
            SortedTokens = operands.Upload(sorted, timer.Stream),
            Counts = operands.Upload(counts, timer.Stream),
            Starts = operands.Upload(starts, timer.Stream),
            AdapterIds = operands.Upload(Enumerable.Range(-1, Adapters + 1).ToArray(), timer.Stream),
            Entries = Adapters + 1,
            Tokens = tokens,
            Adapters = Adapters,
            Output = operands.Allocate((long)tokens * width * outputBytes),
            OutputPitch = (long)width * outputBytes,
            OutputType = (int)(isExpand ? OutputType.BFloat16 : OutputType.Single),
            Vector = 1,
            Rank = rank,
            Scaling = Scaling,
        };
        kernel = isExpand ? LoraKernels.Expand("fp8_fp8", wide: rank > 16) : LoraKernels.Shrink("fp8_fp8");
    }

    public int Tokens { get; }

    public int Rank { get; }

    public int Copies { get; }

    public double Bytes { get; }

    /// <summary>The scheduler's plan.</summary>
    public LoraTensorPlan Chosen => isExpand
        ? LoraTensorScheduler.Expand(Tokens, Adapters + 1, Hidden, Rank, 1, timer.Multiprocessors)
        : LoraTensorScheduler.Shrink(Tokens, Adapters + 1, Rank, Hidden, 1, timer.Multiprocessors);

    /// <summary>Every plan.</summary>
    public IEnumerable<LoraTensorPlan> Plans => isExpand
        ? new[] { 1, 2, 3, 4, 5, 6, 8 }.Select(turns => Chosen with { Turns = turns })
        : from columnWarps in new[] { 1, 2, 4 }
          where columnWarps * 16 <= Rank
          from split in new[] { 1, 2, 4, 8 }
          select Chosen with { Split = split, ColumnWarps = columnWarps };

    public void Launch(LoraTensorPlan plan, int turn, bool dependent)
    {
        LoraCall now = call;
        now.ColumnWarpShift = System.Numerics.BitOperations.Log2((uint)plan.ColumnWarps);
        now.SplitShift = System.Numerics.BitOperations.Log2((uint)plan.Split);
        now.Turns = plan.Turns;
        now.Early = dependent && plan.PrefetchesEarly ? 1 : 0;
        int tile = isExpand ? ExpandKernel.TileN * ExpandKernel.Warps * plan.Turns : ShrinkKernel.TileN * plan.ColumnWarps;
        TensorCoreGrid grid = new()
        {
            X = LoraTensorScheduler.RowTiles(Tokens, Adapters + 1) * plan.Split,
            Y = (width + tile - 1) / tile,
            Cluster = plan.Split,
            DependentLaunch = dependent,
        };
        SliceParameter* parameters = stackalloc SliceParameter[SliceParameter.Capacity];
        parameters[0] = slices[turn % Copies];
        void** arguments = stackalloc void*[] { &now, parameters };
        TensorCoreKernels.Current.Launch(kernel, grid, arguments, timer.Stream);
    }

    /// <summary>The relative error of a plan against float64, on some of the tokens.</summary>
    public double Error(LoraTensorPlan plan)
    {
        Check(cuMemsetD8Async((IntPtr)call.Output, 0xFF, (nuint)(call.OutputPitch * Tokens), timer.Stream));
        Launch(plan, 0, dependent: false);
        Check(cuStreamSynchronize(timer.Stream));
        float[] found = isExpand
            ? Array.ConvertAll(RandomOperands.Download<ushort>((IntPtr)call.Output, (long)Tokens * width, timer.Stream), bits => BFloat16Codec.Decode(bits))
            : RandomOperands.Download<float>((IntPtr)call.Output, (long)Tokens * width, timer.Stream);
        double difference = 0, norm = 0;
        for (int token = 0; token < Tokens; token += Math.Max(1, Tokens / SampledTokens))
        {
            for (int column = 0; column < width; column++)
            {
                double expected = Expected(token, column);
                difference += Math.Pow(found[token * width + column] - expected, 2);
                norm += expected * expected;
            }
        }

        return Math.Sqrt(difference / norm);
    }

    public void Dispose() => operands.Free();

    private double Expected(int token, int column)
    {
        double sum = 0;
        int groups = blocks ? depth / 128 : 1;
        long weights = (long)Tokens * depth + ((long)adapters[token] * width + column) * depth;
        for (int group = 0; group < groups; group++)
        {
            double part = 0;
            for (int k = depth / groups * group; k < depth / groups * (group + 1); k++)
            {
                part += (double)RandomOperands.Value((long)token * depth + k) * RandomOperands.Value(weights + k);
            }

            sum += part * inputScales[token * groups + group] * weightScales[blocks ? adapters[token] * groups + group : adapters[token] * width + column];
        }

        return isExpand ? sum : sum * Scaling;
    }
}
