using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BlockQuant.Host;

/// <summary><see cref="Float8LaneFormat.Round"/> of 64 float32, whose signs join their codes when both are bytes.</summary>
internal readonly struct Float8Rounding
{
    private static readonly Float8Rounding Shared = new();

    private readonly Vector512<int> magnitudeMask = Vector512.Create(Float8Codec.MagnitudeMask);
    private readonly Vector512<int> exponentMask = Vector512.Create(Float8Codec.InfinityBits);
    private readonly Vector512<int> leastExponent = Vector512.Create(Float8Codec.SmallestNormalBits);
    private readonly Vector512<int> rounder = Vector512.Create(Float8LaneFormat.RounderBits);
    private readonly Vector512<byte> codePlaces = Vector512.CreateSequence((byte)0, (byte)sizeof(float));
    private readonly Vector512<byte> signPlaces = Vector512.CreateSequence((byte)(sizeof(float) - 1), (byte)sizeof(float));
    private readonly Vector512<byte> signMask = Vector512.Create((byte)0x80);

    public Float8Rounding()
    {
    }

    public static Float8Rounding Load() => Shared;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<byte> Encode(Vector512<float> first, Vector512<float> second, Vector512<float> third, Vector512<float> fourth)
    {
        Vector512<byte> codes = Lanes512.LowBytes(new(Round(first)), new(Round(second)), new(Round(third)), new(Round(fourth)), codePlaces);
        Vector512<byte> signs = Lanes512.LowBytes(new(first.AsInt32()), new(second.AsInt32()), new(third.AsInt32()), new(fourth.AsInt32()), signPlaces);
        return Vector512.ConditionalSelect(signMask, signs, codes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<int> Round(Vector512<float> values)
    {
        Vector512<int> exponent = Vector512.Max(values.AsInt32() & exponentMask, leastExponent);
        Vector512<int> counted = ((values.AsInt32() & magnitudeMask).AsSingle() + (exponent + rounder).AsSingle()).AsInt32();
        return counted + (counted >> Float8Codec.MantissaShift);
    }
}
