using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>The products of experts: one after the other, each on all cores.</summary>
internal static unsafe class HostExperts
{
    private const int MaxRowsOfExpert = 64;

    /// <summary><see cref="BatchedMatmulKernel"/>: format, bits, element.</summary>
    public static Delegate Batched(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        HostElementKind element = HostKernels.Element(types[2]);
        return types[1] == typeof(float)
            ? (Action<BatchedMatmulArguments<float>>)(a => Batched(a, format, element))
            : (Action<BatchedMatmulArguments<ushort>>)(a => Batched(a, format, element));
    }

    /// <summary><see cref="GroupedMatmulKernel"/>: format, source, source arguments, bits, element.</summary>
    public static Delegate Grouped(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        HostElementKind element = HostKernels.Element(types[4]);
        bool single = types[3] == typeof(float);
        if (types[2] == typeof(QuantizedActivations))
        {
            return single
                ? (Action<GroupedMatmulArguments<QuantizedActivations, float>>)(a => Grouped(a, HostViews.Activations(a.Activations, format), format, element))
                : (Action<GroupedMatmulArguments<QuantizedActivations, ushort>>)(a => Grouped(a, HostViews.Activations(a.Activations, format), format, element));
        }

        return single
            ? (Action<GroupedMatmulArguments<RawActivations<float>, float>>)(a => GroupedRaw(a, format, element))
            : (Action<GroupedMatmulArguments<RawActivations<ushort>, ushort>>)(a => GroupedRaw(a, format, element));
    }

    private static void Batched<TBits>(in BatchedMatmulArguments<TBits> a, HostFormatKind format, HostElementKind element)
        where TBits : unmanaged
    {
        long rows = a.ExpertIds.Length;
        using var quantized = new QuantizedRows((byte*)HostViews.Pointer(a.Activations), rows, a.Weights, format, element);
        HostOperand weights = HostViews.Weights(a.Weights, format);
        HostSink sink = HostViews.Sink(a.Output, a.Weights.N, element);

        // Rows of one expert are multiplied together, whatever their places, so that its weights are read once.
        int* sorted = stackalloc int[MaxRowsOfExpert];
        using var seen = new HostWorkspace(rows);
        new Span<byte>(seen.Start, (int)rows).Clear();
        for (long row = 0; row < rows; row++)
        {
            int expert = a.ExpertIds[row];
            if (seen.Start[row] != 0 || expert < 0 || expert >= a.Experts)
            {
                continue;
            }

            int count = 0;
            for (long other = row; other < rows && count < MaxRowsOfExpert; other++)
            {
                if (a.ExpertIds[other] == expert && seen.Start[other] == 0)
                {
                    seen.Start[other] = 1;
                    sorted[count++] = (int)other;
                }
            }

            HostProduct.Run(
                quantized.Operand, Expert(weights, a.Weights, expert), sink, new HostRows(0, sorted, count), a.Weights.N, 0, a.Weights.K, HostVectors.Widest);
        }
    }

    private static void GroupedRaw<TBits>(in GroupedMatmulArguments<RawActivations<TBits>, TBits> a, HostFormatKind format, HostElementKind element)
        where TBits : unmanaged
    {
        long rows = a.Activations.K == 0 ? 0 : a.Activations.Values.Length / a.Activations.K;
        using var quantized = new QuantizedRows((byte*)HostViews.Pointer(a.Activations.Values), rows, a.Weights, format, element);
        Grouped(a, quantized.Operand, format, element);
    }

    private static void Grouped<TSource, TBits>(
        in GroupedMatmulArguments<TSource, TBits> a, in HostOperand activations, HostFormatKind format, HostElementKind element)
        where TSource : struct, IKernelArguments
        where TBits : unmanaged
    {
        HostOperand weights = HostViews.Weights(a.Weights, format);
        HostSink sink = HostViews.Sink(a.Output, a.Weights.N, element);
        for (int expert = 0; expert < a.Experts.Experts; expert++)
        {
            // Offsets that were found wrong leave no expert a tile, and then none has rows.
            if (a.TileOffsets[expert + 1] > a.TileOffsets[expert])
            {
                long begin = a.Experts.Begin(expert);
                var rows = new HostRows(begin, null, a.Experts.End(expert) - begin);
                HostProduct.Run(activations, Expert(weights, a.Weights, expert), sink, rows, a.Weights.N, 0, a.Weights.K, HostVectors.Widest);
            }
        }
    }

    private static HostOperand Expert(HostOperand weights, in QuantizedWeights stack, int expert)
    {
        weights.Values += expert * stack.N * stack.K;
        weights.Scales += expert * stack.ScaleRows * stack.ScaleColumns;
        return weights;
    }

    /// <summary>Full-precision rows, quantized in the stretches that the weights' scales have.</summary>
    private readonly struct QuantizedRows : IDisposable
    {
        private readonly HostWorkspace space;

        public QuantizedRows(byte* values, long rows, in QuantizedWeights weights, HostFormatKind format, HostElementKind element)
        {
            long scaleColumns = MatrixIndex.CeilDivide(weights.K + weights.ColumnOffset, weights.BlockColumns);
            space = new HostWorkspace(rows * (weights.K + scaleColumns * sizeof(float)));
            var scales = (float*)space.Start;
            byte* codes = space.Start + rows * scaleColumns * sizeof(float);
            var grid = new ScaleGrid(rows, weights.K, 1, weights.BlockColumns, rows, scaleColumns, 0, weights.ColumnOffset);
            HostQuantizer.Of(element, format, HostVectors.Widest).Quantize(values, codes, scales, grid);
            Operand = new HostOperand
            {
                Decoder = HostKernels.Decoder(format),
                Values = codes,
                RowStride = weights.K,
                Scales = scales,
                ScaleColumns = scaleColumns,
                BlockRows = 1,
                BlockColumns = weights.BlockColumns,
                ColumnOffset = weights.ColumnOffset,
            };
        }

        public HostOperand Operand { get; }

        public void Dispose() => space.Dispose();
    }
}
