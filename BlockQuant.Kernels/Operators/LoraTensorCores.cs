using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.TensorCores;
using BlockQuant.Kernels.TensorCores.Lora;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;
using Half = System.Half;

namespace BlockQuant;

/// <summary>LoRA on warp-level tensor cores: which operands fit the kernels, and the launches.</summary>
internal static class LoraTensorCores
{
    // What a lane reads or writes at once.
    private const int VectorBytes = 16;

    // Along K one scale covers the whole row, or this many columns.
    private const int ScaleColumns = 128;

    // A grid's second dimension counts tiles of rows, of which a shrink's are the smallest.
    private const long MaxRows = 65535L * ShrinkKernel.TileN;

    /// <summary>Why the operands of a shrink or expand do not fit, or null.</summary>
    /// <param name="device">Their device.</param>
    /// <param name="input">x or y.</param>
    /// <param name="slices">The weights.</param>
    /// <param name="depthMultiple">What the depth must be a multiple of.</param>
    /// <param name="cast">Whether the input is rounded to the weights' type first.</param>
    public static string? Obstacle<TX, TW>(ComputeDevice device, LoraInput<TX> input, ReadOnlySpan<LoraSlice<TW>> slices, int depthMultiple, bool cast)
        where TX : unmanaged
        where TW : unmanaged
    {
        if (Kernels<TX, TW>.Shrink is null || (cast && typeof(TX) != typeof(TW)))
        {
            return "no kernel takes input and weights of these types";
        }

        // Only views of CUDA memory have a device address.
        return device.Kind != DeviceKind.Cuda ? "it is no CUDA device" : Obstacle(input, slices, depthMultiple);
    }

    private static string? Obstacle<TX, TW>(LoraInput<TX> input, ReadOnlySpan<LoraSlice<TW>> slices, int depthMultiple)
        where TX : unmanaged
        where TW : unmanaged
    {
        if (input.IsQuantized && input.Scales.Columns > 1 && (input.BlockColumns != ScaleColumns || input.ScaleColumnOffset != 0))
        {
            return "a scale of the input covers neither the row nor 128 columns from the first on";
        }

        long alignment = Math.Min(VectorBytes, depthMultiple * Size<TX>());
        if (input.Columns % depthMultiple != 0 || !IsAligned(input.Values.Data, alignment))
        {
            return "the input's rows do not lie as the kernels read them, 16 bytes of 16 columns (4 columns in expand) at once";
        }

        foreach (LoraSlice<TW> slice in slices)
        {
            if (Obstacle(slice, depthMultiple) is { } obstacle)
            {
                return obstacle;
            }
        }

        return null;
    }

    public static void Shrink<TX, TW, TOut>(
        ComputeDevice device,
        LoraInput<TX> x,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        float scaling,
        MatrixView<TOut> output,
        long rank,
        LoraTensorPlan plan,
        bool dependentLaunch,
        AcceleratorStream? stream)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        => Launch(device, ShrinkLaunch(x, slices, map, scaling, output, rank, plan, dependentLaunch), slices, stream);

    public static void Expand<TX, TW, TOut>(
        ComputeDevice device,
        LoraInput<TX> y,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        MatrixView<TOut> output,
        long widest,
        long firstColumn,
        bool add,
        LoraTensorPlan plan,
        bool dependentLaunch,
        AcceleratorStream? stream)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        => Launch(device, ExpandLaunch(y, slices, map, output, widest, firstColumn, add, plan, dependentLaunch), slices, stream);

    /// <summary>The launch of a shrink.</summary>
    public static LoraLaunch ShrinkLaunch<TX, TW, TOut>(
        LoraInput<TX> x,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        float scaling,
        MatrixView<TOut> output,
        long rank,
        LoraTensorPlan plan,
        bool dependentLaunch)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        LoraCall call = Call(x, slices, map, output) with
        {
            Vector = Aligned(output, 0, 4 * Size<TOut>()),
            Rank = (int)rank,
            Scaling = scaling,
            ColumnWarpShift = System.Numerics.BitOperations.Log2((uint)plan.ColumnWarps),
            SplitShift = System.Numerics.BitOperations.Log2((uint)plan.Split),
            Early = dependentLaunch && plan.PrefetchesEarly ? 1 : 0,
        };
        TensorCoreGrid grid = new()
        {
            X = LoraTensorScheduler.RowTiles(map.Tokens, map.Entries) * plan.Split,
            Y = MatrixIndex.CeilDivide(rank, ShrinkKernel.TileN * plan.ColumnWarps),
            Cluster = plan.Split,
            DependentLaunch = dependentLaunch,
        };
        return new LoraLaunch(Kernels<TX, TW>.Shrink!, call, grid, 0);
    }

    /// <summary>The launch of an expand.</summary>
    public static LoraLaunch ExpandLaunch<TX, TW, TOut>(
        LoraInput<TX> y,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        MatrixView<TOut> output,
        long widest,
        long firstColumn,
        bool add,
        LoraTensorPlan plan,
        bool dependentLaunch)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        int vector = 1;
        bool wide = Obstacle(y, slices, 16) is null;
        long column = firstColumn;
        foreach (LoraSlice<TW> slice in slices)
        {
            vector &= Aligned(output, column, VectorBytes);
            wide &= slice.Columns > 16;
            column += slice.Rows;
        }

        LoraCall call = Call(y, slices, map, output) with
        {
            InputSlicePitch = y.Tokens * y.Columns * Size<TX>(),
            InputScaleSlicePitch = y.ScaleSliceStride * sizeof(float),
            Vector = vector,
            Add = add ? 1 : 0,
            Turns = plan.Turns,
            Early = dependentLaunch && plan.PrefetchesEarly ? 1 : 0,
        };
        TensorCoreGrid grid = new()
        {
            X = LoraTensorScheduler.RowTiles(map.Tokens, map.Entries),
            Y = MatrixIndex.CeilDivide(widest, ExpandKernel.TileN * ExpandKernel.Warps * plan.Turns),
            DependentLaunch = dependentLaunch,
        };
        return new LoraLaunch((wide ? Kernels<TX, TW>.WideExpand : Kernels<TX, TW>.Expand)!, call, grid, firstColumn);
    }

    /// <summary>Writes the next slices' parameters, as many as one launch takes.</summary>
    /// <param name="slices">All slices.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="column">The column of an expand's output where it begins; then where the slice after the last does.</param>
    /// <param name="parameters">Where they go, <see cref="SliceParameter.Capacity"/> places.</param>
    /// <returns>How many there are.</returns>
    public static int Fill<TW>(ReadOnlySpan<LoraSlice<TW>> slices, int first, ref long column, Span<SliceParameter> parameters)
        where TW : unmanaged
    {
        int count = Math.Min(slices.Length - first, SliceParameter.Capacity);
        for (int i = 0; i < count; i++)
        {
            parameters[i] = Parameter(slices[first + i], column);
            column += slices[first + i].Rows;
        }

        return count;
    }

    private static unsafe void Launch<TW>(ComputeDevice device, LoraLaunch launch, ReadOnlySpan<LoraSlice<TW>> slices, AcceleratorStream? stream)
        where TW : unmanaged
    {
        if (launch.Grid.X == 0)
        {
            return;
        }

        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        TensorCoreKernels kernels = device.TensorCoreKernels;
        LoraCall call = launch.Call;
        long column = launch.FirstColumn;
        var parameters = stackalloc SliceParameter[SliceParameter.Capacity];
        void** arguments = stackalloc void*[] { &call, parameters };
        for (int first = 0; first < slices.Length; first += SliceParameter.Capacity)
        {
            int count = Fill(slices, first, ref column, new Span<SliceParameter>(parameters, SliceParameter.Capacity));
            call.FirstSlice = first;
            kernels.Launch(launch.Kernel, launch.Grid with { Z = count }, arguments, handle);
        }
    }

    private static LoraCall Call<TX, TW, TOut>(LoraInput<TX> input, ReadOnlySpan<LoraSlice<TW>> slices, AdapterMapView map, MatrixView<TOut> output)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        => new()
        {
            Input = Address(input.Values.Data),
            InputPitch = input.Columns * Size<TX>(),
            InputScales = input.IsQuantized ? Address(input.Scales.Data) : 0,
            InputScalePitch = input.ScaleRowStride * sizeof(float),
            InputScaleStep = input.IsQuantized && input.Scales.Columns > 1 ? sizeof(float) : 0,
            SortedTokens = Address(map.SortedTokens),
            Counts = Address(map.Counts),
            Starts = Address(map.Starts),
            AdapterIds = Address(map.AdapterIds),
            Entries = (int)map.Entries,
            Tokens = (int)map.Tokens,
            Adapters = (int)Math.Min(slices[0].Adapters, int.MaxValue),
            Output = Address(output.Data),
            OutputPitch = output.Columns * Size<TOut>(),
            OutputType = (int)Element<TOut>.Output(nameof(output)),
        };

    private static SliceParameter Parameter<TW>(LoraSlice<TW> slice, long column)
        where TW : unmanaged
        => new()
        {
            Values = Address(slice.Values),
            AdapterPitch = slice.AdapterStride * Size<TW>(),
            RowPitch = slice.RowStride * Size<TW>(),
            Scales = slice.IsQuantized ? Address(slice.Scales) : 0,
            ScaleAdapterPitch = slice.ScaleRows * slice.ScaleColumns * sizeof(float),
            ScaleRowPitch = slice.ScaleColumns * sizeof(float),
            OutputColumn = column,
            Rows = (int)slice.Rows,
            Columns = (int)slice.Columns,

            // One row of scales: every row of weights shifts to it.
            ScaleRowShift = slice.ScaleRows == 1 ? 31 : (int)System.Numerics.BitOperations.Log2((ulong)Math.Max(1, slice.BlockRows)),
            ScaleRowOffset = slice.ScaleRowOffset,
            ScaleStep = slice.ScaleColumns > 1 ? sizeof(float) : 0,
        };

    private static string? Obstacle<TW>(LoraSlice<TW> slice, int depthMultiple)
        where TW : unmanaged
    {
        long alignment = Math.Min(VectorBytes, depthMultiple * Size<TW>());
        return slice.Columns % depthMultiple != 0
                || !IsAligned(slice.Values, alignment)
                || (slice.RowStride * Size<TW>() | slice.AdapterStride * Size<TW>()) % alignment != 0
            ? "the weights' rows do not lie as the kernels read them, 16 bytes of 16 columns (4 columns in expand) at once"
            : slice.IsQuantized && slice.ScaleColumns > 1 && (slice.BlockColumns != ScaleColumns || slice.ScaleColumnOffset != 0)
            ? "a scale of the weights covers neither the row nor 128 columns from the first on"
            : slice.IsQuantized && slice.ScaleRows > 1 && !System.Numerics.BitOperations.IsPow2(slice.BlockRows)
            ? "a scale of the weights covers rows that are no power of two"
            : slice.Rows > MaxRows || slice.Columns > int.MaxValue - 1024
            ? "the weights have more rows than a grid has blocks for, or too many columns"
            : null;
    }

    private static int Aligned<T>(MatrixView<T> output, long column, int bytes)
        where T : unmanaged
        => (Address(output.Data) + column * Size<T>()) % bytes == 0 && output.Columns * Size<T>() % bytes == 0 ? 1 : 0;

    private static bool IsAligned<T>(ArrayView<T> view, long bytes)
        where T : unmanaged
        => Address(view) % bytes == 0;

    private static long Address<T>(ArrayView<T> view)
        where T : unmanaged
        => view.Length == 0 ? 0 : view.LoadEffectiveAddressAsPtr();

    private static unsafe int Size<T>()
        where T : unmanaged
        => sizeof(T);

    /// <summary>The kernels for operands of two types; null where there are none.</summary>
    private static class Kernels<TX, TW>
        where TX : unmanaged
        where TW : unmanaged
    {
        public static readonly TensorCoreKernel? Shrink = Types is null ? null : LoraKernels.Shrink(Types);

        public static readonly TensorCoreKernel? Expand = Types is null ? null : LoraKernels.Expand(Types, wide: false);

        public static readonly TensorCoreKernel? WideExpand = Types is null ? null : LoraKernels.Expand(Types, wide: true);

        private static string? Types
            => typeof(TX) == typeof(Float8E4M3) && typeof(TW) == typeof(Float8E4M3) ? "fp8_fp8"
                : typeof(TX) == typeof(Half) && typeof(TW) == typeof(Half) ? "f16_f16"
                : typeof(TX) == typeof(BFloat16) && typeof(TW) == typeof(BFloat16) ? "bf16_bf16"
                : typeof(TX) == typeof(Half) && typeof(TW) == typeof(Float8E4M3) ? "f16_fp8"
                : typeof(TX) == typeof(BFloat16) && typeof(TW) == typeof(Float8E4M3) ? "bf16_fp8"
                : null;
    }
}
