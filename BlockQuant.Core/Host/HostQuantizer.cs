namespace BlockQuant.Host;

/// <summary>The eight-bit formats, with their roundings.</summary>
internal enum HostFormatKind
{
    Float8,
    Int8Truncated,
    Int8Nearest,
}

/// <summary>The quantizers of one element type and format over native memory, on all cores.</summary>
internal abstract unsafe class HostQuantizer
{
    public static HostQuantizer Of(HostElementKind element, HostFormatKind format, VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => Of<Lanes512>(element, format),
        VectorWidth.Bits256 => Of<Lanes256>(element, format),
        _ => Of<Lanes128>(element, format),
    };

    /// <summary>Quantizes every block by its own largest magnitude.</summary>
    public abstract void Quantize(byte* source, byte* codes, float* scales, ScaleGrid grid, float minScale = BlockScale.Minimum);

    /// <summary>Raises <paramref name="amax"/> to the largest magnitude of a tensor.</summary>
    public abstract void MaxMagnitude(byte* source, long length, int* amax);

    /// <summary>The scale of a tensor.</summary>
    public abstract float Scale(int amax);

    /// <summary>Quantizes a tensor by one scale; it may be any, so values may be far beyond the largest code.</summary>
    public abstract void QuantizeWithScale(byte* source, byte* codes, long length, float scale);

    /// <summary>Output = code × scale of its block.</summary>
    public abstract void Dequantize(byte* codes, float* scales, byte* output, ScaleGrid grid);

    private static HostQuantizer Of<TLanes>(HostElementKind element, HostFormatKind format)
        where TLanes : unmanaged, ILanes<TLanes>
        => element switch
        {
            HostElementKind.Float32 => Of<float, SingleFormat, TLanes>(format),
            HostElementKind.Float16 => Of<Half, HalfFormat, TLanes>(format),
            HostElementKind.BFloat16 => Of<BFloat16, BFloat16Format, TLanes>(format),
            _ => throw new ArgumentOutOfRangeException(nameof(element), element, "An eight-bit element is not quantized."),
        };

    private static HostQuantizer Of<T, TElement, TLanes>(HostFormatKind format)
        where T : unmanaged
        where TElement : struct, ILaneSource<T>, ILaneTarget<T>
        where TLanes : unmanaged, ILanes<TLanes>
        => format switch
        {
            HostFormatKind.Float8 => HostQuantizer<T, TElement, HostFloat8, TLanes>.Shared,
            HostFormatKind.Int8Truncated => HostQuantizer<T, TElement, HostInt8Truncated, TLanes>.Shared,
            _ => HostQuantizer<T, TElement, HostInt8Nearest, TLanes>.Shared,
        };
}

/// <inheritdoc/>
internal sealed unsafe class HostQuantizer<T, TElement, TFormat, TLanes> : HostQuantizer
    where T : unmanaged
    where TElement : struct, ILaneSource<T>, ILaneTarget<T>
    where TFormat : struct, IHostFormat
    where TLanes : unmanaged, ILanes<TLanes>
{
    public static readonly HostQuantizer<T, TElement, TFormat, TLanes> Shared = new();

    private HostQuantizer()
    {
    }

    public override void Quantize(byte* source, byte* codes, float* scales, ScaleGrid grid, float minScale)
        => QuantizeWork<T, TElement, TFormat, TLanes>.Run((T*)source, codes, scales, grid, minScale);

    public override void MaxMagnitude(byte* source, long length, int* amax) => MaxMagnitudeWork<T, TElement, TLanes>.Run((T*)source, length, amax);

    public override float Scale(int amax) => BlockScale.Of<TFormat>(amax);

    public override void QuantizeWithScale(byte* source, byte* codes, long length, float scale)
        => ScaledQuantizeWork<T, TElement, TFormat, TLanes>.Run((T*)source, codes, length, scale);

    public override void Dequantize(byte* codes, float* scales, byte* output, ScaleGrid grid)
        => DequantizeWork<T, TElement, TFormat, TLanes>.Run(codes, scales, (T*)output, grid);
}
