using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>Shrink and expand: for every adapter and slice one product of the adapter's tokens, gathered by their indices.</summary>
internal static unsafe class HostLora
{
    /// <summary><see cref="LoraShrinkKernel"/>: input bits, input element, weight bits, weight element, output bits, sink.</summary>
    public static Delegate? Shrink(Type[] types)
    {
        bool atomic = types[5] == typeof(AtomicSink);
        HostElementKind output = atomic ? HostElementKind.Float32 : HostKernels.Element(types[5].GetGenericArguments()[1]);
        var elements = new Elements(types[1], types[3], output);
        return types[4] == typeof(float) ? Shrink<float>(types[0], types[2], elements, atomic) : Shrink<ushort>(types[0], types[2], elements, atomic);
    }

    /// <summary><see cref="LoraExpandKernel"/>: input bits, input element, weight bits, weight element, output bits, output element.</summary>
    public static Delegate? Expand(Type[] types)
    {
        var elements = new Elements(types[1], types[3], HostKernels.Element(types[5]));
        return types[4] == typeof(float) ? Expand<float>(types[0], types[2], elements) : Expand<ushort>(types[0], types[2], elements);
    }

    private static Delegate? Shrink<TOut>(Type input, Type weights, Elements elements, bool atomic)
        where TOut : unmanaged
        => (input == typeof(float), weights == typeof(float)) switch
        {
            (true, true) => (Action<LoraShrinkArguments<float, float, TOut>>)(a => Shrink(a, elements, atomic)),
            (true, false) when weights == typeof(byte) => (Action<LoraShrinkArguments<float, byte, TOut>>)(a => Shrink(a, elements, atomic)),
            (true, false) => (Action<LoraShrinkArguments<float, ushort, TOut>>)(a => Shrink(a, elements, atomic)),
            _ when input == typeof(byte) => (Action<LoraShrinkArguments<byte, byte, TOut>>)(a => Shrink(a, elements, atomic)),
            _ when weights == typeof(byte) => (Action<LoraShrinkArguments<ushort, byte, TOut>>)(a => Shrink(a, elements, atomic)),
            _ => (Action<LoraShrinkArguments<ushort, ushort, TOut>>)(a => Shrink(a, elements, atomic)),
        };

    private static Delegate? Expand<TOut>(Type input, Type weights, Elements elements)
        where TOut : unmanaged
        => (input == typeof(float), weights == typeof(float)) switch
        {
            (true, true) => (Action<LoraExpandArguments<float, float, TOut>>)(a => Expand(a, elements)),
            (true, false) when weights == typeof(byte) => (Action<LoraExpandArguments<float, byte, TOut>>)(a => Expand(a, elements)),
            (true, false) => (Action<LoraExpandArguments<float, ushort, TOut>>)(a => Expand(a, elements)),
            _ when input == typeof(byte) => (Action<LoraExpandArguments<byte, byte, TOut>>)(a => Expand(a, elements)),
            _ when weights == typeof(byte) => (Action<LoraExpandArguments<ushort, byte, TOut>>)(a => Expand(a, elements)),
            _ => (Action<LoraExpandArguments<ushort, ushort, TOut>>)(a => Expand(a, elements)),
        };

    private static void Shrink<TX, TW, TOut>(in LoraShrinkArguments<TX, TW, TOut> a, Elements elements, bool atomic)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        var tokens = new AdapterTokens(a.Map);
        long share = a.Rank * a.Map.SortedTokens.Length;
        for (int slice = 0; slice < a.Shape.Slices; slice++)
        {
            LoraSliceArguments<TW> weights = a.Slices.Slice(slice);
            long depth = MatrixIndex.CeilDivide(MatrixIndex.CeilDivide(weights.Columns, (long)a.Shape.SplitK), (long)a.Shape.TileK) * a.Shape.TileK;
            HostOperand input = Input(a.Input, elements.Input, 0);
            for (int split = 0; split < a.Shape.SplitK; split++)
            {
                HostSink sink = HostViews.Sink(a.Output, a.Rank, elements.Output);
                sink.Output += (split * a.SplitStride + (a.FirstSlice + slice) * share) * sizeof(TOut);
                sink.Scaling = a.Scaling;
                sink.Add = atomic;
                long begin = Math.Min(weights.Columns, split * depth);
                foreach (AdapterTokens.Group group in tokens.Groups)
                {
                    fixed (int* indices = group.Tokens)
                    {
                        var rows = new HostRows(0, indices, group.Tokens.Length);

                        // A token without adapter gets the sum of no terms.
                        long end = group.Adapter < 0 ? begin : Math.Min(weights.Columns, begin + depth);
                        HostOperand operand = Weights(weights, elements.Weight, Math.Max(0, group.Adapter));

                        // A slice of a smaller rank has no rows beyond its own.
                        long n = Math.Min(a.Rank, weights.Rows);
                        HostProduct.Run(input, operand, sink, rows, n, begin, end, HostVectors.Widest);
                        HostProduct.Run(input, operand, Beyond(sink, n), rows, a.Rank - n, begin, begin, HostVectors.Widest);
                    }
                }
            }
        }
    }

    private static void Expand<TX, TW, TOut>(in LoraExpandArguments<TX, TW, TOut> a, Elements elements)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        var tokens = new AdapterTokens(a.Map);
        for (int slice = 0; slice < a.Shape.Slices; slice++)
        {
            LoraSliceArguments<TW> weights = a.Slices.Slice(slice);
            HostOperand input = Input(a.Input, elements.Input, a.FirstSlice + slice);
            input.Cast = a.Input.Cast == 0 ? null : HostElement.Of(elements.Weight, HostVectors.Widest);
            HostSink sink = HostViews.Sink(a.Output, a.Columns, elements.Output);
            sink.Output += weights.OutputColumn * sizeof(TOut);
            sink.Add = a.Add != 0;
            foreach (AdapterTokens.Group group in tokens.Groups)
            {
                if (group.Adapter < 0)
                {
                    continue;
                }

                fixed (int* indices = group.Tokens)
                {
                    var rows = new HostRows(0, indices, group.Tokens.Length);
                    HostProduct.Run(
                        input, Weights(weights, elements.Weight, group.Adapter), sink, rows, weights.Rows, 0, weights.Columns, HostVectors.Widest);
                }
            }
        }
    }

    private static HostSink Beyond(HostSink sink, long columns)
    {
        sink.Output += columns * sink.Element.Size;
        return sink;
    }

    private static HostOperand Input<TX>(in LoraInputArguments<TX> a, HostElementKind element, long slice)
        where TX : unmanaged
        => new()
        {
            Decoder = HostElement.Of(element, HostVectors.Widest),
            Values = (byte*)(HostViews.Pointer(a.Values) + slice * a.SliceStride),
            RowStride = a.Columns,
            Scales = a.Scales.Length == 0 ? null : HostViews.Pointer(a.Scales) + slice * a.ScaleSliceStride,
            ScaleColumns = a.ScaleRowStride,
            BlockRows = 1,
            BlockColumns = a.BlockColumns,
            ColumnOffset = a.ColumnOffset,
        };

    private static HostOperand Weights<TW>(in LoraSliceArguments<TW> a, HostElementKind element, long adapter)
        where TW : unmanaged
        => new()
        {
            Decoder = HostElement.Of(element, HostVectors.Widest),
            Values = (byte*)(HostViews.Pointer(a.Values) + adapter * a.AdapterStride),
            RowStride = a.RowStride,
            Scales = a.Scales.Length == 0 ? null : HostViews.Pointer(a.Scales) + adapter * a.ScaleAdapterStride,
            ScaleColumns = a.ScaleColumns,
            BlockRows = a.BlockRows,
            RowOffset = a.RowOffset,
            BlockColumns = Math.Max(1, a.BlockColumns),
            ColumnOffset = a.ColumnOffset,
        };

    /// <summary>The element types of one product.</summary>
    private sealed class Elements(Type input, Type weight, HostElementKind output)
    {
        public HostElementKind Input { get; } = HostKernels.Element(input);

        public HostElementKind Weight { get; } = HostKernels.Element(weight);

        public HostElementKind Output { get; } = output;
    }
}
