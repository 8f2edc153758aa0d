using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant;

/// <summary>Sixteen lanes.</summary>
internal readonly struct Lanes512(Vector512<int> value) : ILanes<Lanes512>
{
    private readonly Vector512<int> value = value;

    public static int Count => Vector512<int>.Count;

    /// <summary>The lanes as float32.</summary>
    public Vector512<float> AsSingle() => value.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Create(int value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBytes(ref byte source)
    {
        Vector256<ushort> words = Vector256.WidenLower(Vector128.LoadUnsafe(ref source).ToVector256Unsafe());
        return new(Vector512.WidenLower(words.ToVector512Unsafe()).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadWords(ref ushort source) =>
        new(Vector512.WidenLower(Vector256.LoadUnsafe(ref source).ToVector512Unsafe()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Load(ref int source) => new(Vector512.LoadUnsafe(ref source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadSignedBytes(ref byte source)
    {
        Vector256<short> words = Vector256.WidenLower(Vector128.LoadUnsafe(ref source).AsSByte().ToVector256Unsafe());
        return new(Vector512.WidenLower(words.ToVector512Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Lanes512 value, ref byte destination)
    {
        Vector512<uint> lanes = value.value.AsUInt32();
        Vector128<byte> bytes = Avx512F.IsSupported
            ? Avx512F.ConvertToVector128Byte(lanes)
            : Vector128.Narrow(
                Vector128.Narrow(lanes.GetLower().GetLower(), lanes.GetLower().GetUpper()),
                Vector128.Narrow(lanes.GetUpper().GetLower(), lanes.GetUpper().GetUpper()));
        bytes.StoreUnsafe(ref destination);
    }

    /// <summary>The low bytes of sixty-four lanes.</summary>
    /// <param name="first">Lanes 0 to 15.</param>
    /// <param name="second">Lanes 16 to 31.</param>
    /// <param name="third">Lanes 32 to 47.</param>
    /// <param name="fourth">Lanes 48 to 63.</param>
    /// <param name="places">0, 4, 8 and so on: the permutation, which a loop keeps in a register.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LowBytes(Lanes512 first, Lanes512 second, Lanes512 third, Lanes512 fourth, Vector512<byte> places)
    {
        Vector512<byte> lower = Avx512Vbmi.PermuteVar64x8x2(first.value.AsByte(), places, second.value.AsByte());
        Vector512<byte> upper = Avx512Vbmi.PermuteVar64x8x2(third.value.AsByte(), places, fourth.value.AsByte());
        return Avx512F.InsertVector256(lower.AsInt32(), upper.AsInt32().GetLower(), 1).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWords(Lanes512 value, ref ushort destination)
    {
        Vector512<uint> lanes = value.value.AsUInt32();
        Vector256<ushort> words = Avx512F.IsSupported
            ? Avx512F.ConvertToVector256UInt16(lanes)
            : Vector256.Narrow(lanes.GetLower(), lanes.GetUpper());
        words.StoreUnsafe(ref destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes512 value, ref int destination) => value.value.StoreUnsafe(ref destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void StoreAlignedNonTemporal(Lanes512 value, int* destination) => value.value.StoreAlignedNonTemporal(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator +(Lanes512 left, Lanes512 right) => new(left.value + right.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator -(Lanes512 left, Lanes512 right) => new(left.value - right.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator &(Lanes512 left, Lanes512 right) => new(left.value & right.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator |(Lanes512 left, Lanes512 right) => new(left.value | right.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator <<(Lanes512 value, int count) => new(value.value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator >>(Lanes512 value, int count) => new(value.value >> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AddSingle(Lanes512 left, Lanes512 right) => new((left.value.AsSingle() + right.value.AsSingle()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplySingle(Lanes512 left, Lanes512 right) => new((left.value.AsSingle() * right.value.AsSingle()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAddSingle(Lanes512 left, Lanes512 right, Lanes512 addend) =>
        new(Vector512.MultiplyAddEstimate(left.value.AsSingle(), right.value.AsSingle(), addend.value.AsSingle()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SumSingle(Lanes512 value) => Vector512.Sum(value.value.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 DivideSingle(Lanes512 left, Lanes512 right) => new((left.value.AsSingle() / right.value.AsSingle()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 ToSingle(Lanes512 value) => new(Vector512.ConvertToSingle(value.value).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Truncate(Lanes512 value) => new(Vector512.ConvertToInt32Native(value.value.AsSingle()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Min(Lanes512 left, Lanes512 right) => new(Vector512.Min(left.value, right.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Max(Lanes512 left, Lanes512 right) => new(Vector512.Max(left.value, right.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MaxWords(Lanes512 left, Lanes512 right) => new(Vector512.Max(left.value.AsUInt16(), right.value.AsUInt16()).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MaxLane(Lanes512 value) =>
        Lanes256.MaxLane(new Lanes256(Vector256.Max(value.value.GetLower(), value.value.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LessThan(Lanes512 left, Lanes512 right) => new(Vector512.LessThan(left.value, right.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Select(Lanes512 mask, Lanes512 whereSet, Lanes512 whereClear) =>
        new(Vector512.ConditionalSelect(mask.value, whereSet.value, whereClear.value));
}
