using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>An eight-bit format: one code or a vector of them to and from float32 that is already scaled.</summary>
internal interface IHostFormat
{
    /// <summary>The value of the largest code.</summary>
    static abstract float MaxCode { get; }

    /// <summary>The code of every element of a block that holds NaN or ±∞.</summary>
    static abstract byte NotFinite { get; }

    /// <summary>The code of a value that was divided by its own block's scale: it passes the largest code by no more than its rounding.</summary>
    static abstract byte Encode(float scaled);

    /// <summary><see cref="Encode(float)"/> in the low bytes of the lanes; what is above them may be anything.</summary>
    static abstract TLanes Encode<TLanes>(TLanes scaled)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>The code of any value.</summary>
    static abstract byte EncodeAny(float scaled);

    /// <inheritdoc cref="EncodeAny(float)"/>
    static abstract void EncodeAny<TLanes>(TLanes scaled, ref byte destination)
        where TLanes : struct, ILanes<TLanes>;

    static abstract float Decode(byte code);

    static abstract TLanes Decode<TLanes>(ref byte source)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>FP8 e4m3fn, to nearest even, saturating.</summary>
internal readonly struct HostFloat8 : IHostFormat
{
    public static float MaxCode => 448f;

    public static byte NotFinite => Float8Codec.NaNMagnitude;

    public static byte Encode(float scaled) => (byte)Float8Codec.EncodeSaturating(scaled);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Encode<TLanes>(TLanes scaled)
        where TLanes : struct, ILanes<TLanes>
        => Float8LaneFormat.WithSign(Float8LaneFormat.Round(scaled & TLanes.Create(Float8Codec.MagnitudeMask)), scaled);

    public static byte EncodeAny(float scaled) => Encode(scaled);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EncodeAny<TLanes>(TLanes scaled, ref byte destination)
        where TLanes : struct, ILanes<TLanes> => Float8LaneFormat.Store(ref Unsafe.As<byte, Float8E4M3>(ref destination), scaled);

    public static float Decode(byte code) => Float8Codec.Decode(code);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Decode<TLanes>(ref byte source)
        where TLanes : struct, ILanes<TLanes> => Float8LaneFormat.Load<TLanes>(ref Unsafe.As<byte, Float8E4M3>(ref source));
}

/// <summary>INT8 rounded toward zero.</summary>
internal readonly struct HostInt8Truncated : IHostFormat
{
    public static float MaxCode => 127f;

    public static byte NotFinite => 0;

    public static byte Encode(float scaled) => (byte)(sbyte)Math.Clamp(MathF.Truncate(scaled), -127f, 127f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Encode<TLanes>(TLanes scaled)
        where TLanes : struct, ILanes<TLanes> => HostInt8.Clamp(TLanes.Truncate(scaled));

    public static byte EncodeAny(float scaled) => Encode(HostInt8.Bound(scaled));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EncodeAny<TLanes>(TLanes scaled, ref byte destination)
        where TLanes : struct, ILanes<TLanes> => TLanes.StoreBytes(Encode(HostInt8.Bound(scaled)), ref destination);

    public static float Decode(byte code) => (sbyte)code;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Decode<TLanes>(ref byte source)
        where TLanes : struct, ILanes<TLanes> => TLanes.ToSingle(TLanes.LoadSignedBytes(ref source));
}

/// <summary>INT8 rounded to nearest even.</summary>
internal readonly struct HostInt8Nearest : IHostFormat
{
    // One unit in the last place of a float32 in [2^23, 2^24) is 1, so adding 1.5·2^23 makes the float adder round to integers of either sign.
    private const int RounderBits = ((127 + 23) << 23) | (1 << 22);

    public static float MaxCode => 127f;

    public static byte NotFinite => 0;

    public static byte Encode(float scaled) => (byte)(sbyte)Math.Clamp(MathF.Round(scaled, MidpointRounding.ToEven), -127f, 127f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Encode<TLanes>(TLanes scaled)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes rounder = TLanes.Create(RounderBits);
        return HostInt8.Clamp(TLanes.AddSingle(scaled, rounder) - rounder);
    }

    public static byte EncodeAny(float scaled) => Encode(HostInt8.Bound(scaled));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EncodeAny<TLanes>(TLanes scaled, ref byte destination)
        where TLanes : struct, ILanes<TLanes> => TLanes.StoreBytes(Encode(HostInt8.Bound(scaled)), ref destination);

    public static float Decode(byte code) => (sbyte)code;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Decode<TLanes>(ref byte source)
        where TLanes : struct, ILanes<TLanes> => HostInt8Truncated.Decode<TLanes>(ref source);
}

/// <summary>What both roundings of INT8 share.</summary>
internal static class HostInt8
{
    private const int MagnitudeMask = 0x7FFF_FFFF;
    private const int InfinityBits = 0x7F80_0000;
    private const int MaxBits = ((127 + 6) << 23) | 0x7E_0000;

    /// <summary>−127 to 127; NaN gives 0.</summary>
    public static float Bound(float value) => float.IsNaN(value) ? 0f : Math.Clamp(value, -127f, 127f);

    /// <inheritdoc cref="Bound(float)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Bound<TLanes>(TLanes value)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes magnitude = value & TLanes.Create(MagnitudeMask);
        TLanes bounded = TLanes.Min(magnitude, TLanes.Create(MaxBits)) | (value & TLanes.Create(~MagnitudeMask));
        return TLanes.Select(TLanes.LessThan(TLanes.Create(InfinityBits), magnitude), default, bounded);
    }

    /// <summary>Codes from −127 to 127. A value divided by its block's scale passes that by no more than its rounding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Clamp<TLanes>(TLanes codes)
        where TLanes : struct, ILanes<TLanes> => TLanes.Min(TLanes.Max(codes, TLanes.Create(-127)), TLanes.Create(127));
}
