using System.Globalization;

namespace BlockQuant;

/// <summary>
/// A 16-bit float with the exponent of float32: 1 sign, 8 exponent (bias 127) and 7 mantissa bits, in other words
/// the upper half of a float32.
/// </summary>
/// <remarks>
/// Comparison operators follow IEEE 754; <see cref="Equals(BFloat16)"/> and <see cref="CompareTo"/> order NaN first
/// and equal to itself, as <see cref="float"/> does.
/// </remarks>
public readonly struct BFloat16 : IEquatable<BFloat16>, IComparable<BFloat16>
{
    /// <summary>The bits. The only field, so that a device sees one 16-bit integer.</summary>
    public readonly ushort Bits;

    private BFloat16(ushort bits) => Bits = bits;

    /// <summary>The largest finite value, about 3.39·10³⁸.</summary>
    public static BFloat16 MaxValue => new(0x7F7F);

    /// <summary>The smallest finite value, about −3.39·10³⁸.</summary>
    public static BFloat16 MinValue => new(0xFF7F);

    /// <summary>2⁻¹³³, the smallest positive value.</summary>
    public static BFloat16 Epsilon => new(0x0001);

    /// <summary>+∞.</summary>
    public static BFloat16 PositiveInfinity => new(0x7F80);

    /// <summary>−∞.</summary>
    public static BFloat16 NegativeInfinity => new(0xFF80);

    /// <summary>Not a number, 0x7FC0.</summary>
    public static BFloat16 NaN => new(0x7FC0);

    /// <summary>0.</summary>
    public static BFloat16 Zero => new(0x0000);

    /// <summary>1.</summary>
    public static BFloat16 One => new(0x3F80);

    /// <summary>The value with the given bits.</summary>
    public static BFloat16 FromBits(ushort bits) => new(bits);

    /// <summary>The value nearest to a float32, ties to even; overflow gives ±∞, NaN stays NaN.</summary>
    public static BFloat16 FromSingle(float value) => new((ushort)BFloat16Codec.Encode(value));

    /// <summary>The same value as float32, exactly.</summary>
    public float ToSingle() => BFloat16Codec.Decode(Bits);

    /// <summary>Whether a value is NaN.</summary>
    public static bool IsNaN(BFloat16 value) => (value.Bits & 0x7FFF) > 0x7F80;

    /// <summary>Whether a value is +∞ or −∞.</summary>
    public static bool IsInfinity(BFloat16 value) => (value.Bits & 0x7FFF) == 0x7F80;

    /// <summary>Widens exactly.</summary>
    public static implicit operator float(BFloat16 value) => value.ToSingle();

    /// <summary>Rounds to nearest even.</summary>
    public static explicit operator BFloat16(float value) => FromSingle(value);

    /// <summary>IEEE equality: NaN equals nothing.</summary>
    public static bool operator ==(BFloat16 left, BFloat16 right) => left.ToSingle() == right.ToSingle();

    /// <summary>IEEE inequality: NaN differs from everything.</summary>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !(left == right);

    /// <summary>IEEE order: false where either is NaN.</summary>
    public static bool operator <(BFloat16 left, BFloat16 right) => left.ToSingle() < right.ToSingle();

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator >(BFloat16 left, BFloat16 right) => right < left;

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator <=(BFloat16 left, BFloat16 right) => left.ToSingle() <= right.ToSingle();

    /// <inheritdoc cref="op_LessThan"/>
    public static bool operator >=(BFloat16 left, BFloat16 right) => right <= left;

    /// <summary>Equality of values; NaN equals NaN.</summary>
    public bool Equals(BFloat16 other) => ToSingle().Equals(other.ToSingle());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ToSingle().GetHashCode();

    /// <summary>Total order of values, NaN first.</summary>
    public int CompareTo(BFloat16 other) => ToSingle().CompareTo(other.ToSingle());

    /// <summary>The value as float32 text, culture-invariant.</summary>
    public override string ToString() => ToSingle().ToString(CultureInfo.InvariantCulture);
}
