namespace BlockQuant.Host;

/// <summary>The quantizers over native memory, by element type, format and vector width.</summary>
internal static unsafe class QuantizationEngine
{
    /// <summary>Quantizes every block by its own largest magnitude; a tensor-wide block in two passes over all cores.</summary>
    public static void Quantize<T, TSource, TFormat>(T* source, byte* codes, float* scales, ScaleGrid grid, bool wholeTensor, VectorWidth width)
        where T : unmanaged
        where TSource : struct, ILaneSource<T>
        where TFormat : struct, IHostFormat
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Quantize<T, TSource, TFormat, Lanes512>(source, codes, scales, grid, wholeTensor);
                break;
            case VectorWidth.Bits256:
                Quantize<T, TSource, TFormat, Lanes256>(source, codes, scales, grid, wholeTensor);
                break;
            default:
                Quantize<T, TSource, TFormat, Lanes128>(source, codes, scales, grid, wholeTensor);
                break;
        }
    }

    /// <summary>Output = code × scale of its block.</summary>
    public static void Dequantize<T, TTarget, TFormat>(byte* codes, float* scales, T* output, ScaleGrid grid, VectorWidth width)
        where T : unmanaged
        where TTarget : struct, ILaneSource<T>, ILaneTarget<T>
        where TFormat : struct, IHostFormat
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                DequantizeWork<T, TTarget, TFormat, Lanes512>.Run(codes, scales, output, grid);
                break;
            case VectorWidth.Bits256:
                DequantizeWork<T, TTarget, TFormat, Lanes256>.Run(codes, scales, output, grid);
                break;
            default:
                DequantizeWork<T, TTarget, TFormat, Lanes128>.Run(codes, scales, output, grid);
                break;
        }
    }

    private static void Quantize<T, TSource, TFormat, TLanes>(T* source, byte* codes, float* scales, ScaleGrid grid, bool wholeTensor)
        where T : unmanaged
        where TSource : struct, ILaneSource<T>
        where TFormat : struct, IHostFormat
        where TLanes : unmanaged, ILanes<TLanes>
    {
        if (!wholeTensor)
        {
            QuantizeWork<T, TSource, TFormat, TLanes>.Run(source, codes, scales, grid);
            return;
        }

        int amax = 0;
        long length = grid.Rows * grid.Columns;
        MaxMagnitudeWork<T, TSource, TLanes>.Run(source, length, &amax);
        scales[0] = BlockScale.Of<TFormat>(amax);
        ScaledQuantizeWork<T, TSource, TFormat, TLanes>.Run(source, codes, length, scales[0]);
    }
}
