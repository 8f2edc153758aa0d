using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>The dense products.</summary>
internal static unsafe class HostMatmul
{
    /// <summary><see cref="BlockScaledMatmulKernel"/>: format, bits, element.</summary>
    public static Delegate Dense(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        HostElementKind element = HostKernels.Element(types[2]);
        return types[1] == typeof(float)
            ? (Action<BlockScaledMatmulArguments<float>>)(a => Multiply(a.Activations, a.Weights, format, a.M, HostViews.Sink(a.Output, a.Weights.N, element)))
            : (Action<BlockScaledMatmulArguments<ushort>>)(a => Multiply(a.Activations, a.Weights, format, a.M, HostViews.Sink(a.Output, a.Weights.N, element)));
    }

    /// <summary><see cref="BlockScaledAddmmKernel"/>: format, bits, element.</summary>
    public static Delegate WithBias(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        HostElementKind element = HostKernels.Element(types[2]);
        return types[1] == typeof(float)
            ? (Action<BlockScaledAddmmArguments<float>>)(a => WithBias(a, format, element))
            : (Action<BlockScaledAddmmArguments<ushort>>)(a => WithBias(a, format, element));
    }

    /// <summary><see cref="BlockScaledMatmulQuantizeKernel"/>: format.</summary>
    public static Delegate Quantized(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        return (Action<BlockScaledMatmulQuantizeArguments>)(a => Quantized(a, format));
    }

    private static void WithBias<TBits>(in BlockScaledAddmmArguments<TBits> a, HostFormatKind format, HostElementKind element)
        where TBits : unmanaged
    {
        HostSink sink = HostViews.Sink(a.Output, a.Weights.N, element);
        sink.Bias = HostViews.Pointer(a.Bias);
        Multiply(a.Activations, a.Weights, format, a.M, sink);
    }

    /// <summary>Rows of a few megabytes at a time, so that the product is still in the cache when it is quantized.</summary>
    private static void Quantized(in BlockScaledMatmulQuantizeArguments a, HostFormatKind format)
    {
        const long WorkspaceFloats = 1 << 20;
        long n = a.Weights.N;
        long height = Math.Clamp(WorkspaceFloats / Math.Max(1, n), 1, Math.Max(1, a.M));
        long blocks = MatrixIndex.CeilDivide(n, (long)a.OutputBlock);
        HostOperand activations = HostViews.Activations(a.Activations, format);
        HostOperand weights = HostViews.Weights(a.Weights, format);
        HostQuantizer quantizer = HostQuantizer.Of(HostElementKind.Float32, format, HostVectors.Widest);
        using var space = HostWorkspace.Floats(height * n);
        for (long row = 0; row < a.M; row += height)
        {
            long count = Math.Min(height, a.M - row);
            var sink = new HostSink
            {
                Element = HostElement.Of(HostElementKind.Float32, HostVectors.Widest),
                Output = space.Start - row * n * sizeof(float),
                RowStride = n,
                Bias = HostViews.Pointer(a.Bias),
            };
            HostProduct.Run(activations, weights, sink, new HostRows(row, null, count), n, 0, a.Weights.K, HostVectors.Widest);
            var grid = new ScaleGrid(count, n, 1, a.OutputBlock, count, blocks);
            quantizer.Quantize(
                space.Start, HostViews.Pointer(a.Codes) + row * n, HostViews.Pointer(a.Scales) + row * blocks, grid, Int8Code.MinOutputScale);
        }
    }

    private static void Multiply(in QuantizedActivations a, in QuantizedWeights w, HostFormatKind format, long m, in HostSink sink)
        => HostProduct.Run(
            HostViews.Activations(a, format), HostViews.Weights(w, format), sink, new HostRows(0, null, m), w.N, 0, w.K, HostVectors.Widest);
}
