using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>The quantizers. Their results are the kernels', bit for bit.</summary>
internal static unsafe class HostQuantize
{
    /// <summary><see cref="BlockQuantizeKernel"/>: bits, element, format.</summary>
    public static Delegate Blocks(Type[] types)
    {
        HostQuantizer quantizer = Quantizer(types[1], types[2]);
        return types[0] == typeof(float)
            ? (Action<BlockQuantizeArguments<float>>)(a => Blocks(a, quantizer))
            : (Action<BlockQuantizeArguments<ushort>>)(a => Blocks(a, quantizer));
    }

    /// <summary><see cref="MaxMagnitudeKernel"/>: bits, element.</summary>
    public static Delegate MaxMagnitude(Type[] types)
    {
        // The maximum is the same for every format.
        HostQuantizer quantizer = HostQuantizer.Of(HostKernels.Element(types[1]), HostFormatKind.Float8, HostVectors.Widest);
        return types[0] == typeof(float)
            ? (Action<MaxMagnitudeArguments<float>>)(a => MaxMagnitude(a, quantizer))
            : (Action<MaxMagnitudeArguments<ushort>>)(a => MaxMagnitude(a, quantizer));
    }

    /// <summary><see cref="ScaledQuantizeKernel"/>: bits, element, format.</summary>
    public static Delegate WithScale(Type[] types)
    {
        HostQuantizer quantizer = Quantizer(types[1], types[2]);
        return types[0] == typeof(float)
            ? (Action<ScaledQuantizeArguments<float>>)(a => WithScale(a, quantizer))
            : (Action<ScaledQuantizeArguments<ushort>>)(a => WithScale(a, quantizer));
    }

    /// <summary><see cref="BlockDequantizeKernel"/>: format, bits, element.</summary>
    public static Delegate Dequantize(Type[] types)
    {
        HostQuantizer quantizer = Quantizer(types[2], types[0]);
        return types[1] == typeof(float)
            ? (Action<BlockDequantizeArguments<float>>)(a => Dequantize(a, quantizer))
            : (Action<BlockDequantizeArguments<ushort>>)(a => Dequantize(a, quantizer));
    }

    private static HostQuantizer Quantizer(Type element, Type format)
        => HostQuantizer.Of(HostKernels.Element(element), HostKernels.Format(format), HostVectors.Widest);

    private static void Blocks<TBits>(BlockQuantizeArguments<TBits> a, HostQuantizer quantizer)
        where TBits : unmanaged
    {
        var grid = new ScaleGrid(
            a.Rows,
            a.Columns,
            a.BlockRows,
            a.BlockColumns,
            MatrixIndex.CeilDivide(a.Rows, a.BlockRows),
            MatrixIndex.CeilDivide(a.Columns, a.BlockColumns));
        quantizer.Quantize((byte*)HostViews.Pointer(a.Source), HostViews.Pointer(a.Codes), HostViews.Pointer(a.Scales), grid);
    }

    private static void MaxMagnitude<TBits>(MaxMagnitudeArguments<TBits> a, HostQuantizer quantizer)
        where TBits : unmanaged
        => quantizer.MaxMagnitude((byte*)HostViews.Pointer(a.Source), a.Source.Length, HostViews.Pointer(a.Amax));

    private static void WithScale<TBits>(ScaledQuantizeArguments<TBits> a, HostQuantizer quantizer)
        where TBits : unmanaged
        => quantizer.QuantizeWithScale((byte*)HostViews.Pointer(a.Source), HostViews.Pointer(a.Codes), a.Source.Length, a.Scale[0]);

    private static void Dequantize<TBits>(BlockDequantizeArguments<TBits> a, HostQuantizer quantizer)
        where TBits : unmanaged
    {
        var grid = new ScaleGrid(a.Rows, a.Columns, a.BlockRows, a.BlockColumns, ScaleRows: 0, a.ScaleColumns, a.RowOffset, a.ColumnOffset);
        quantizer.Dequantize(HostViews.Pointer(a.Codes), HostViews.Pointer(a.Scales), (byte*)HostViews.Pointer(a.Output), grid);
    }
}
