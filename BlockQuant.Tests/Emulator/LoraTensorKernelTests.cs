using BlockQuant.Emulator;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.TensorCores.Lora;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using BlockQuant.Tests.Operators;
using ILGPU;
using Half = System.Half;

namespace BlockQuant.Tests.Emulator;

/// <summary>
/// The LoRA kernels on warp-level tensor cores, run by the emulator as the operators launch them on a GPU. Operands are such that float32 holds
/// every sum exactly: results are the reference's and the portable kernels' to the bit.
/// </summary>
internal sealed class LoraTensorKernelTests : EmulatorFixture
{
    private static readonly LoraPlanOverrides Portable = new() { Kernel = KernelFamily.Portable };

    private EmulatorDevice device = null!;

    [SetUp]
    public void CreateDevice() => device = new EmulatorDevice(Accelerator);

    [TearDown]
    public void DisposeDevice() => device.Dispose();

    // A depth that one warp of many has, that all share, and that they go round; clusters; warps side by side; more slices than a launch takes.
    [TestCase(1, 16, 1, 1, 1, 1, 1)]
    [TestCase(37, 144, 30, 3, 2, 2, 2)]
    [TestCase(20, 1168, 70, 2, 1, 1, 4)]
    [TestCase(5, 1040, 16, 40, 1, 4, 1)]
    [TestCase(6, 48, 9, 2, 9, 1, 1)]
    public void Shrink_in_full_precision_is_exact(int tokens, int k, int rank, int adapters, int slices, int split, int columnWarps)
    {
        var problem = new Problem(LoraMode.Unquantized, tokens, k, rank, adapters, slices);
        LoraTensorPlan plan = ShrinkPlan(split, columnWarps);
        ShrinkIsExact<BFloat16, BFloat16, float>(problem, plan);
        ShrinkIsExact<Half, Half, BFloat16>(problem, plan);
    }

    [TestCase(LoraMode.Tensor, 18, 272, 20, 2, 2, 1, 2)]
    [TestCase(LoraMode.Channel, 33, 400, 17, 3, 1, 2, 1)]
    [TestCase(LoraMode.Block, 17, 1040, 50, 2, 1, 1, 4)]
    [TestCase(LoraMode.Block, 3, 2064, 64, 2, 2, 2, 1)]
    public void Shrink_of_codes_is_exact(LoraMode mode, int tokens, int k, int rank, int adapters, int slices, int split, int columnWarps)
    {
        var problem = new Problem(mode, tokens, k, rank, adapters, slices);
        LoraTensorPlan plan = ShrinkPlan(split, columnWarps);
        ShrinkIsExact<Float8E4M3, Float8E4M3, float>(problem, plan);
        ShrinkIsExact<BFloat16, Float8E4M3, Half>(problem, plan);
        ShrinkIsExact<Half, Float8E4M3, BFloat16>(problem, plan);
    }

    // Ranks that lanes read by 4 and by 16; more tiles than a group has warps; several turns of a warp.
    [TestCase(1, 8, 4, 1, 1, 1)]
    [TestCase(37, 133, 12, 3, 2, 1)]
    [TestCase(20, 300, 32, 2, 1, 2)]
    [TestCase(5, 520, 80, 40, 1, 4)]
    [TestCase(6, 40, 16, 2, 9, 1)]
    public void Expand_in_full_precision_is_exact(int tokens, int n, int rank, int adapters, int slices, int turns)
    {
        var problem = new Problem(LoraMode.Unquantized, tokens, n, rank, adapters, slices);
        ExpandIsExact<BFloat16, BFloat16, BFloat16>(problem, ExpandPlan(turns), add: true);
        ExpandIsExact<Half, Half, float>(problem, ExpandPlan(turns), add: false);
    }

    [TestCase(LoraMode.Tensor, 18, 70, 20, 2, 2, 1)]
    [TestCase(LoraMode.Channel, 33, 264, 48, 3, 1, 2)]
    [TestCase(LoraMode.Block, 17, 150, 144, 2, 2, 1)]
    public void Expand_of_codes_is_exact(LoraMode mode, int tokens, int n, int rank, int adapters, int slices, int turns)
    {
        var problem = new Problem(mode, tokens, n, rank, adapters, slices);
        ExpandIsExact<Float8E4M3, Float8E4M3, float>(problem, ExpandPlan(turns), add: true);
        ExpandIsExact<BFloat16, Float8E4M3, Half>(problem, ExpandPlan(turns), add: true);
        ExpandIsExact<Half, Float8E4M3, BFloat16>(problem, ExpandPlan(turns), add: false);
    }

    // Whatever lies in memory that kernels ahead may write is a fault before the lanes have waited for them.
    [Test]
    public void Dependent_launches_touch_nothing_too_early()
    {
        var problem = new Problem(LoraMode.Unquantized, 21, 160, 20, 3, 2);
        ShrinkIsExact<BFloat16, BFloat16, float>(problem, ShrinkPlan(2, 1) with { PrefetchesEarly = true }, isDependent: true);
        ExpandIsExact<BFloat16, BFloat16, float>(problem, ExpandPlan(1) with { PrefetchesEarly = true }, add: true, isDependent: true);
    }

    [Test]
    public void Clusters_give_the_same_bits_on_one_thread_and_on_two()
    {
        float[] first = [];
        for (int threads = 1; threads <= 2; threads++)
        {
            using var other = new EmulatorDevice(new EmulatorAccelerator(new EmulatorOptions { MaxThreads = threads }));
            using var data = new LoraData(other, new Random(8));
            Accelerator = new EmulatorAccelerator(new EmulatorOptions { MaxThreads = threads });
            (LoraInput<Half> x, _) = data.Input<Half>(null, 1, 20, 640);
            (LoraSlice<Half> slice, _) = data.Slice<Half>(null, 2, 24, 640);
            DeviceMatrix<float> output = data.Output(new float[20 * 24], 20, 24);
            AdapterMapView map = data.Map(data.Mapping(20, 2), 2);
            Run(LoraTensorCores.ShrinkLaunch(x, [slice], map, 0.3f, output.View, 24, ShrinkPlan(4, 2), false), x, [slice], map, output);
            first = threads == 1 ? output.ToArray() : first;
            output.ToArray().Should().Equal(first);
        }
    }

    [Test]
    public void Maps_that_are_not_in_order_reach_nothing_outside()
    {
        const int Tokens = 20, Rank = 16;
        using var data = new LoraData(device, new Random(22));
        (LoraInput<Half> x, _) = data.Input<Half>(null, 1, Tokens, 64);
        (LoraSlice<Half> slice, _) = data.Slice<Half>(null, 2, Rank, 64);
        int[] tokens = [.. Enumerable.Range(0, Tokens)];
        (tokens[4], tokens[9]) = (Tokens, -5);
        var map = new AdapterMapView(
            data.Buffer(tokens).View, data.Buffer([4, 30, -3, 5]).View, data.Buffer([0, 4, int.MaxValue, -9, 9]).View, data.Buffer([7, 0, 1, 1]).View);
        var before = new float[Tokens * Rank];
        Array.Fill(before, 7f);
        DeviceMatrix<float> output = data.Output(before, Tokens, Rank);

        Run(LoraTensorCores.ShrinkLaunch(x, [slice], map, 1f, output.View, Rank, ShrinkPlan(1, 1), false), x, [slice], map, output);

        float[] found = output.ToArray();
        found[..(4 * Rank)].Should().OnlyContain(value => value == 0, "an adapter that does not exist counts as none");
        found[(4 * Rank)..(5 * Rank)].Should().OnlyContain(value => value == 7, "a token that does not exist is passed over");
        found[(5 * Rank)..(9 * Rank)].Should().NotContain(7);
    }

    private static LoraTensorPlan ShrinkPlan(int split, int columnWarps) =>
        new() { Split = split, ColumnWarps = columnWarps, Turns = 1, PrefetchesEarly = false };

    private static LoraTensorPlan ExpandPlan(int turns) => new() { Split = 1, ColumnWarps = 4, Turns = turns, PrefetchesEarly = false };

    private void ShrinkIsExact<TX, TW, TOut>(Problem problem, LoraTensorPlan plan, bool isDependent = false)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        using var data = new LoraData(device, new Random(problem.Seed)) { IsExact = true };
        (LoraInput<TX> x, double[] values) = data.Input<TX>(problem.Input<TX>(), 1, problem.Tokens, problem.Wide);
        var slices = new LoraSlice<TW>[problem.Slices];
        var weights = new AdapterWeights[problem.Slices];
        for (int i = 0; i < slices.Length; i++)
        {
            (slices[i], weights[i]) = data.Slice<TW>(
                problem.Weight<TW>(), problem.Adapters, Math.Max(1, problem.Rank - 5 * i), problem.Wide, 16 * (i % 3), 16 * (i % 2));
        }
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        AdapterMapView map = data.Map(mapping, problem.Adapters);
        int rows = slices.Length * problem.Tokens;
        TOut[] before = Array.ConvertAll(new float[rows * problem.Rank], _ => LoraData.From<TOut>(float.NaN));
        DeviceMatrix<TOut> output = data.Output(before, rows, problem.Rank), portable = data.Output(before, rows, problem.Rank);

        Run(LoraTensorCores.ShrinkLaunch(x, slices, map, 0.5f, output.View, problem.Rank, plan, isDependent), x, slices, map, output);

        double[] expected = ReferenceOperators.LoraShrink(values, weights, mapping, 0.5);
        output.ToArray().Should().Equal(Array.ConvertAll(expected, value => LoraData.From<TOut>((float)value)));
        device.Lora.Shrink(x, slices, map, 0.5f, portable.View, options: new() { Plan = Portable });
        output.ToArray().Should().Equal(portable.ToArray());
    }

    private void ExpandIsExact<TX, TW, TOut>(Problem problem, LoraTensorPlan plan, bool add, bool isDependent = false)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        using var data = new LoraData(device, new Random(problem.Seed)) { IsExact = true };
        (LoraInput<TX> y, double[] values) = data.Input<TX>(problem.Input<TX>(), problem.Slices, problem.Tokens, problem.Rank, sharedScales: add);
        var slices = new LoraSlice<TW>[problem.Slices];
        var weights = new AdapterWeights[problem.Slices];
        for (int i = 0; i < slices.Length; i++)
        {
            int rank = Math.Max(4, problem.Rank - i % 2 * 4), n = Math.Max(1, problem.Wide - 9 * i);
            (slices[i], weights[i]) = data.Slice<TW>(problem.Weight<TW>(), problem.Adapters, n, rank, (16 - rank % 16) % 16, 16 * (i % 2));
        }
        int[] mapping = data.Mapping(problem.Tokens, problem.Adapters);
        AdapterMapView map = data.Map(mapping, problem.Adapters);
        int offset = add ? 8 : 3, columns = (offset + weights.Sum(slice => slice.Rows) + 15) / 8 * 8;
        TOut[] before = Array.ConvertAll(data.Values(problem.Tokens * columns), LoraData.From<TOut>);
        DeviceMatrix<TOut> output = data.Output(before, problem.Tokens, columns), portable = data.Output(before, problem.Tokens, columns);

        LoraLaunch launch = LoraTensorCores.ExpandLaunch(
            y, slices, map, output.View, weights.Max(slice => slice.Rows), offset, add, plan, isDependent);
        Run(launch, y, slices, map, output);

        double[] expected = Array.ConvertAll(before, value => (double)LoraData.ToSingle(value));
        ReferenceOperators.LoraExpand(values, weights, problem.Rank, mapping, expected, columns, offset, add);
        output.ToArray().Should().Equal(Array.ConvertAll(expected, value => LoraData.From<TOut>((float)value)));
        device.Lora.Expand(y, slices, map, portable.View, new() { Plan = Portable, AddInputs = add, ColumnOffset = offset });
        output.ToArray().Should().Equal(portable.ToArray());
    }

    private void Run<TX, TW, TOut>(LoraLaunch launch, LoraInput<TX> input, LoraSlice<TW>[] slices, AdapterMapView map, DeviceMatrix<TOut> output)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        MemoryRegion[] regions =
        [
            Region("input", input.Values.Data), Region("input scales", input.Scales.Data), Region("sorted tokens", map.SortedTokens),
            Region("counts", map.Counts), Region("starts", map.Starts), Region("adapters", map.AdapterIds),
            .. slices.Select(slice => Region("weights", slice.Values)), .. slices.Select(slice => Region("weight scales", slice.Scales)),
            Region("output", output.View.Data) with { IsWritable = true },
        ];
        long column = launch.FirstColumn;
        var parameters = new SliceParameter[SliceParameter.Capacity];
        for (int first = 0; first < slices.Length; first += SliceParameter.Capacity)
        {
            int count = LoraTensorCores.Fill(slices, first, ref column, parameters);
            new EmulatedTensorCores(Accelerator).Lora(
                launch.Kernel, launch.Call with { FirstSlice = first }, parameters[..count], launch.Grid, [.. regions.Where(region => region.RowBytes > 0)]);
        }
    }

    private static MemoryRegion Region<T>(string name, ArrayView<T> view)
        where T : unmanaged
        => new(name, view.LoadEffectiveAddressAsPtr(), 1, view.LengthInBytes, Math.Max(1, view.LengthInBytes));

    /// <param name="Mode">What is quantized, as far as the element types are codes.</param>
    /// <param name="Tokens">Tokens.</param>
    /// <param name="Wide">K of a shrink, N of an expand's first slice.</param>
    /// <param name="Rank">The largest rank.</param>
    /// <param name="Adapters">Adapters.</param>
    /// <param name="Slices">Slices, each of a size of its own.</param>
    private sealed record Problem(LoraMode Mode, int Tokens, int Wide, int Rank, int Adapters, int Slices)
    {
        public int Seed => Tokens + Wide + Rank;

        public QuantizationScheme? Input<T>() => typeof(T) == typeof(Float8E4M3) ? LoraTensorCoreTests.Schemes(Mode).Input : null;

        public QuantizationScheme? Weight<T>() => typeof(T) == typeof(Float8E4M3) ? LoraTensorCoreTests.Schemes(Mode).Weight : null;
    }
}
