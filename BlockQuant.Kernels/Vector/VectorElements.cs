using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>Eight floating-point elements as a lane reads and writes them.</summary>
/// <typeparam name="TBits">Their bits in registers.</typeparam>
internal interface IVectorElement<TBits>
    where TBits : unmanaged
{
    /// <summary>Reads the eight elements from element 8 · <paramref name="index"/> on.</summary>
    static abstract TBits Load(ArrayView<Vec4> view, long index);

    /// <summary>The bits of the largest magnitude, as float32; those of a NaN where an element is.</summary>
    static abstract int MaxMagnitude(TBits bits);

    static abstract Values4 DecodeLow(TBits bits);

    static abstract Values4 DecodeHigh(TBits bits);

    /// <summary>Writes the eight elements from element 8 · <paramref name="index"/> on.</summary>
    static abstract void Store(ArrayView<Vec4> view, long index, Values4 low, Values4 high);
}

/// <summary>bfloat16.</summary>
internal readonly struct BFloat16Vector : IVectorElement<Vec4>
{
    public static Vec4 Load(ArrayView<Vec4> view, long index) => view[index];

    public static int MaxMagnitude(Vec4 bits) => Arithmetic.MaxBFloat16(bits);

    public static Values4 DecodeLow(Vec4 bits) => Packed.FromBFloat16(bits.X, bits.Y);

    public static Values4 DecodeHigh(Vec4 bits) => Packed.FromBFloat16(bits.Z, bits.W);

    public static void Store(ArrayView<Vec4> view, long index, Values4 low, Values4 high) => view[index] = new Vec4
    {
        X = Packed.ToBFloat16(low.A, low.B),
        Y = Packed.ToBFloat16(low.C, low.D),
        Z = Packed.ToBFloat16(high.A, high.B),
        W = Packed.ToBFloat16(high.C, high.D),
    };
}

/// <summary>float16.</summary>
internal readonly struct Float16Vector : IVectorElement<Vec4>
{
    public static Vec4 Load(ArrayView<Vec4> view, long index) => view[index];

    public static int MaxMagnitude(Vec4 bits) => Arithmetic.MaxFloat16(bits);

    public static Values4 DecodeLow(Vec4 bits) => Packed.FromFloat16(bits.X, bits.Y);

    public static Values4 DecodeHigh(Vec4 bits) => Packed.FromFloat16(bits.Z, bits.W);

    public static void Store(ArrayView<Vec4> view, long index, Values4 low, Values4 high) => view[index] = new Vec4
    {
        X = Packed.ToFloat16(low.A, low.B),
        Y = Packed.ToFloat16(low.C, low.D),
        Z = Packed.ToFloat16(high.A, high.B),
        W = Packed.ToFloat16(high.C, high.D),
    };
}

/// <summary>float32.</summary>
internal readonly struct Float32Vector : IVectorElement<Vec8>
{
    public static Vec8 Load(ArrayView<Vec4> view, long index) => new() { Low = view[2 * index], High = view[2 * index + 1] };

    public static int MaxMagnitude(Vec8 bits) => Arithmetic.MaxMagnitude(Decode(bits.Low), Decode(bits.High));

    public static Values4 DecodeLow(Vec8 bits) => Decode(bits.Low);

    public static Values4 DecodeHigh(Vec8 bits) => Decode(bits.High);

    public static void Store(ArrayView<Vec4> view, long index, Values4 low, Values4 high)
    {
        view[2 * index] = Encode(low);
        view[2 * index + 1] = Encode(high);
    }

    private static Values4 Decode(Vec4 bits) => new()
    {
        A = BitConverter.Int32BitsToSingle(bits.X),
        B = BitConverter.Int32BitsToSingle(bits.Y),
        C = BitConverter.Int32BitsToSingle(bits.Z),
        D = BitConverter.Int32BitsToSingle(bits.W),
    };

    private static Vec4 Encode(Values4 values) => new()
    {
        X = BitConverter.SingleToInt32Bits(values.A),
        Y = BitConverter.SingleToInt32Bits(values.B),
        Z = BitConverter.SingleToInt32Bits(values.C),
        W = BitConverter.SingleToInt32Bits(values.D),
    };
}
