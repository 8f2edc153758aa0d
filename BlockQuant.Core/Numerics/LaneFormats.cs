using System.Runtime.CompilerServices;

namespace BlockQuant;

/// <summary>Reads <typeparamref name="T"/> as float32, one element or a vector of them.</summary>
internal interface ILaneSource<T>
{
    static abstract float Load(T value);

    /// <summary>The bits of as many float32 as the lanes hold.</summary>
    static abstract TLanes Load<TLanes>(ref T source)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>Writes float32 as <typeparamref name="T"/>, one element or a vector of them.</summary>
internal interface ILaneTarget<T>
{
    static abstract T Store(float value);

    static abstract void Store<TLanes>(ref T destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>float32 as it is.</summary>
internal readonly struct SingleFormat : ILaneSource<float>, ILaneTarget<float>
{
    public static float Load(float value) => value;

    public static float Store(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref float source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Load(ref Unsafe.As<float, int>(ref source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(ref float destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes> => TLanes.Store(bits, ref Unsafe.As<float, int>(ref destination));
}

/// <summary><see cref="BFloat16Codec"/> over vectors.</summary>
internal readonly struct BFloat16Format : ILaneSource<BFloat16>, ILaneTarget<BFloat16>
{
    public static float Load(BFloat16 value) => BFloat16Codec.Decode(value.Bits);

    public static BFloat16 Store(float value) => BFloat16.FromBits((ushort)BFloat16Codec.Encode(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref BFloat16 source)
        where TLanes : struct, ILanes<TLanes> => TLanes.LoadWords(ref Unsafe.As<BFloat16, ushort>(ref source)) << 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(ref BFloat16 destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes rounded = bits + TLanes.Create(0x7FFF) + ((bits >> 16) & TLanes.Create(1));
        TLanes isNaN = TLanes.LessThan(TLanes.Create(BFloat16Codec.InfinityBits), bits & TLanes.Create(BFloat16Codec.MagnitudeMask));
        TLanes kept = TLanes.Select(isNaN, bits | TLanes.Create(BFloat16Codec.QuietBit), rounded);
        TLanes.StoreWords(kept >> 16, ref Unsafe.As<BFloat16, ushort>(ref destination));
    }
}

/// <summary><see cref="HalfCodec"/> over vectors.</summary>
internal readonly struct HalfFormat : ILaneSource<Half>, ILaneTarget<Half>
{
    public static float Load(Half value) => HalfCodec.Decode(BitConverter.HalfToUInt16Bits(value));

    public static Half Store(float value) => BitConverter.UInt16BitsToHalf((ushort)HalfCodec.Encode(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref Half source)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes code = TLanes.LoadWords(ref Unsafe.As<Half, ushort>(ref source));
        TLanes magnitude = code & TLanes.Create(0x7FFF);
        TLanes rebias = TLanes.Create(HalfCodec.Rebias);
        TLanes notFinite = TLanes.LessThan(TLanes.Create(HalfCodec.HalfInfinity - 1), magnitude);
        TLanes normal = (magnitude << HalfCodec.MantissaShift) + rebias + (notFinite & rebias);
        TLanes smallest = TLanes.Create(BitConverter.SingleToInt32Bits(-HalfCodec.SmallestNormal));
        TLanes subnormal = TLanes.AddSingle(TLanes.AddSingle(normal, normal), smallest);
        TLanes value = TLanes.Select(TLanes.LessThan(magnitude, TLanes.Create(0x400)), subnormal, normal);
        return value | ((code & TLanes.Create(0x8000)) << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(ref Half destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes magnitude = bits & TLanes.Create(HalfCodec.MagnitudeMask);
        TLanes kept = magnitude >> HalfCodec.MantissaShift;
        TLanes normal = (magnitude + TLanes.Create(0xFFF - HalfCodec.Rebias) + (kept & TLanes.Create(1))) >> HalfCodec.MantissaShift;
        TLanes rounder = TLanes.Create(HalfCodec.SubnormalRounderBits);
        TLanes subnormal = TLanes.AddSingle(magnitude, rounder) - rounder;
        TLanes rounded = TLanes.Select(TLanes.LessThan(magnitude, TLanes.Create(HalfCodec.SmallestNormalBits)), subnormal, normal);
        TLanes finite = TLanes.Min(rounded, TLanes.Create(HalfCodec.HalfInfinity));
        TLanes quietNaN = (kept & TLanes.Create(0x3FF)) | TLanes.Create(HalfCodec.HalfQuietNaN);
        TLanes value = TLanes.Select(TLanes.LessThan(TLanes.Create(HalfCodec.InfinityBits), magnitude), quietNaN, finite);
        TLanes.StoreWords(value | ((bits >> 16) & TLanes.Create(0x8000)), ref Unsafe.As<Half, ushort>(ref destination));
    }
}

/// <summary>binary16 on its way to FP8, where a NaN loses its sign: see <see cref="Float8E4M3.FromHalf"/>.</summary>
internal readonly struct UnsignedNaNHalfFormat : ILaneSource<Half>
{
    public static float Load(Half value) => Half.IsNaN(value) ? BitConverter.Int32BitsToSingle(Float8Codec.NaNBits) : HalfFormat.Load(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref Half source)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes bits = HalfFormat.Load<TLanes>(ref source);
        TLanes isNaN = TLanes.LessThan(TLanes.Create(HalfCodec.InfinityBits), bits & TLanes.Create(HalfCodec.MagnitudeMask));
        return TLanes.Select(isNaN, TLanes.Create(Float8Codec.NaNBits), bits);
    }
}

/// <summary><see cref="Float8Codec"/> over vectors; stores saturate.</summary>
internal readonly struct Float8LaneFormat : ILaneSource<Float8E4M3>, ILaneTarget<Float8E4M3>
{
    // The bits of 448.
    private const int MaxBits = ((127 + 8) << 23) | 0x60_0000;

    // 2^20 in the exponent. The code of a count n beside an exponent E is n + 8·(E - 121), and the shifted sum gives n + 8·(E + 20):
    // less 8·141, which in a byte is 152 more. It is even, so ties still go to even counts.
    internal const int RounderBits = (20 << 23) + 152;

    public static float Load(Float8E4M3 value) => Float8Codec.Decode(value.Bits);

    public static Float8E4M3 Store(float value) => Float8E4M3.FromBits((byte)Float8Codec.EncodeSaturating(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref Float8E4M3 source)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes code = TLanes.LoadBytes(ref Unsafe.As<Float8E4M3, byte>(ref source));
        TLanes magnitude = code & TLanes.Create(0x7F);
        TLanes normal = (magnitude << Float8Codec.MantissaShift) + TLanes.Create(Float8Codec.Rebias);
        TLanes smallest = TLanes.Create(BitConverter.SingleToInt32Bits(-Float8Codec.SmallestNormal));
        TLanes subnormal = TLanes.AddSingle(TLanes.AddSingle(normal, normal), smallest);
        TLanes value = TLanes.Select(TLanes.LessThan(magnitude, TLanes.Create(8)), subnormal, normal);
        TLanes isNaN = TLanes.LessThan(TLanes.Create(Float8Codec.MaxMagnitude), magnitude);
        return value | (isNaN & TLanes.Create(Float8Codec.NaNBits)) | ((code & TLanes.Create(0x80)) << 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(ref Float8E4M3 destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes magnitude = bits & TLanes.Create(Float8Codec.MagnitudeMask);
        TLanes code = WithSign(Round(TLanes.Min(magnitude, TLanes.Create(MaxBits))), bits);
        TLanes isNaN = TLanes.LessThan(TLanes.Create(Float8Codec.InfinityBits), magnitude);
        TLanes.StoreBytes(TLanes.Select(isNaN, TLanes.Create(Float8Codec.NaNMagnitude), code), ref Unsafe.As<Float8E4M3, byte>(ref destination));
    }

    /// <summary>Rounds magnitudes up to 480 (as the bits of float32), which NaN's code would stand for, to codes in the low bytes of the lanes.</summary>
    /// <remarks>
    /// One unit in the last place of a float32 of 2²⁰ times the size is the distance between the e4m3 values around the magnitude, so adding a
    /// power of two of that size rounds to a count of such distances, 8 to 16, or 0 to 8 for subnormals. The sum's exponent, shifted into
    /// place, completes the code but for a constant, which the power of two carries in its lowest bits.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TLanes Round<TLanes>(TLanes magnitude)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes exponent = TLanes.Max(magnitude & TLanes.Create(Float8Codec.InfinityBits), TLanes.Create(Float8Codec.SmallestNormalBits));
        TLanes counted = TLanes.AddSingle(magnitude, exponent + TLanes.Create(RounderBits));
        return counted + (counted >> Float8Codec.MantissaShift);
    }

    /// <summary>Codes in the low bytes of the lanes, with the signs of float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TLanes WithSign<TLanes>(TLanes code, TLanes bits)
        where TLanes : struct, ILanes<TLanes> => TLanes.Select(TLanes.Create(0x80), bits >> 24, code);
}

/// <summary><see cref="Float8Codec.EncodeNonSaturating"/> over vectors.</summary>
internal readonly struct NonSaturatingFloat8Format : ILaneTarget<Float8E4M3>
{
    /// <summary>What NaN's code would stand for, and what beyond 464 rounds to.</summary>
    private const float NaNValue = 480f;

    public static Float8E4M3 Store(float value) => Float8E4M3.FromBits((byte)Float8Codec.EncodeNonSaturating(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes>(ref Float8E4M3 destination, TLanes bits)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes magnitude = TLanes.Min(bits & TLanes.Create(Float8Codec.MagnitudeMask), TLanes.Create(BitConverter.SingleToInt32Bits(NaNValue)));
        TLanes.StoreBytes(Float8LaneFormat.WithSign(Float8LaneFormat.Round(magnitude), bits), ref Unsafe.As<Float8E4M3, byte>(ref destination));
    }
}
