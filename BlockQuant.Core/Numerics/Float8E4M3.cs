using System.Globalization;

namespace BlockQuant;

/// <summary>
/// An 8-bit float of the e4m3fn format: 1 sign, 4 exponent (bias 7) and 3 mantissa bits, no infinity,
/// NaN = 0x7F and 0xFF, largest finite magnitude 448, smallest 2⁻⁹.
/// </summary>
/// <remarks>
/// The format of "FP8 Formats for Deep Learning" (Micikevicius et al., 2022). Comparison operators follow IEEE 754
/// (NaN equals nothing, −0 equals 0); <see cref="Equals(Float8E4M3)"/> and <see cref="CompareTo"/> order NaN first
/// and equal to itself, as <see cref="float"/> does.
/// </remarks>
public readonly struct Float8E4M3 : IEquatable<Float8E4M3>, IComparable<Float8E4M3>
{
    /// <summary>The code. The only field, so that a device sees one byte.</summary>
    public readonly byte Bits;

    private Float8E4M3(byte bits) => Bits = bits;

    /// <summary>448, the largest finite value.</summary>
    public static Float8E4M3 MaxValue => new(0x7E);

    /// <summary>−448, the smallest finite value.</summary>
    public static Float8E4M3 MinValue => new(0xFE);

    /// <summary>2⁻⁹, the smallest positive value.</summary>
    public static Float8E4M3 Epsilon => new(0x01);

    /// <summary>Not a number, code 0x7F.</summary>
    public static Float8E4M3 NaN => new(0x7F);

    /// <summary>0.</summary>
    public static Float8E4M3 Zero => new(0x00);

    /// <summary>1.</summary>
    public static Float8E4M3 One => new(0x38);

    /// <summary>The value with the given code.</summary>
    public static Float8E4M3 FromBits(byte bits) => new(bits);

    /// <summary>The value nearest to a float32, ties to even.</summary>
    /// <param name="value">Any float32.</param>
    /// <param name="overflow">What becomes of magnitudes that round beyond 448; a NaN keeps its sign only in <see cref="OverflowMode.NaN"/>.</param>
    public static Float8E4M3 FromSingle(float value, OverflowMode overflow = OverflowMode.Saturate) =>
        new((byte)(overflow == OverflowMode.Saturate ? Float8Codec.EncodeSaturating(value) : Float8Codec.EncodeNonSaturating(value)));

    /// <summary>The value nearest to a binary16, ties to even.</summary>
    /// <remarks>A NaN loses its sign, as it does on GPUs, whose cast from binary16 goes through a float32 with the canonical NaN.</remarks>
    /// <inheritdoc cref="FromSingle"/>
    public static Float8E4M3 FromHalf(Half value, OverflowMode overflow = OverflowMode.Saturate) =>
        Half.IsNaN(value) ? NaN : FromSingle(HalfCodec.Decode(BitConverter.HalfToUInt16Bits(value)), overflow);

    /// <summary>The value nearest to a bfloat16, ties to even.</summary>
    /// <inheritdoc cref="FromSingle"/>
    public static Float8E4M3 FromBFloat16(BFloat16 value, OverflowMode overflow = OverflowMode.Saturate) =>
        FromSingle(value.ToSingle(), overflow);

    /// <summary>The same value as float32, exactly.</summary>
    public float ToSingle() => Float8Codec.Decode(Bits);

    /// <summary>The same value as binary16, exactly.</summary>
    public Half ToHalf() => BitConverter.UInt16BitsToHalf((ushort)HalfCodec.Encode(ToSingle()));

    /// <summary>The same value as bfloat16, exactly.</summary>
    public BFloat16 ToBFloat16() => BFloat16.FromSingle(ToSingle());

    /// <summary>Whether a value is one of the two NaN codes.</summary>
    public static bool IsNaN(Float8E4M3 value) => (value.Bits & 0x7F) == Float8Codec.NaNMagnitude;

    /// <summary>Widens exactly.</summary>
    public static implicit operator float(Float8E4M3 value) => value.ToSingle();

    /// <summary>Widens exactly.</summary>
    public static explicit operator Half(Float8E4M3 value) => value.ToHalf();

    /// <summary>Widens exactly.</summary>
    public static explicit operator BFloat16(Float8E4M3 value) => value.ToBFloat16();

    /// <summary>Rounds to nearest even and saturates.</summary>
    public static explicit operator Float8E4M3(float value) => FromSingle(value);

    /// <summary>Rounds to nearest even and saturates.</summary>
    public static explicit operator Float8E4M3(Half value) => FromHalf(value);

    /// <summary>Rounds to nearest even and saturates.</summary>
    public static explicit operator Float8E4M3(BFloat16 value) => FromBFloat16(value);

    /// <summary>IEEE equality: NaN equals nothing.</summary>
    public static bool operator ==(Float8E4M3 left, Float8E4M3 right) => left.ToSingle() == right.ToSingle();

    /// <summary>IEEE inequality: NaN differs from everything.</summary>
    public static bool operator !=(Float8E4M3 left, Float8E4M3 right) => !(left == right);

    /// <summary>IEEE order: false where either is NaN.</summary>
    public static bool operator <(Float8E4M3 left, Float8E4M3 right) => left.ToSingle() < right.ToSingle();

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator >(Float8E4M3 left, Float8E4M3 right) => right < left;

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator <=(Float8E4M3 left, Float8E4M3 right) => left.ToSingle() <= right.ToSingle();

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator >=(Float8E4M3 left, Float8E4M3 right) => right <= left;

    /// <summary>Equality of values; NaN equals NaN.</summary>
    public bool Equals(Float8E4M3 other) => ToSingle().Equals(other.ToSingle());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Float8E4M3 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ToSingle().GetHashCode();

    /// <summary>Total order of values, NaN first.</summary>
    public int CompareTo(Float8E4M3 other) => ToSingle().CompareTo(other.ToSingle());

    /// <summary>The value as float32 text, culture-invariant.</summary>
    public override string ToString() => ToSingle().ToString(CultureInfo.InvariantCulture);
}
