namespace BlockQuant;

/// <summary>
/// A vector of 32-bit lanes that hold integers or the bits of float32, so that a conversion is written once for every
/// vector width. Only what the conversions need.
/// </summary>
internal interface ILanes<TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    static abstract int Count { get; }

    static abstract TSelf Create(int value);

    /// <summary>Loads and zero-extends <see cref="Count"/> bytes.</summary>
    static abstract TSelf LoadBytes(ref byte source);

    /// <summary>Loads and zero-extends <see cref="Count"/> 16-bit integers.</summary>
    static abstract TSelf LoadWords(ref ushort source);

    static abstract TSelf Load(ref int source);

    /// <summary>Loads and sign-extends <see cref="Count"/> bytes.</summary>
    static abstract TSelf LoadSignedBytes(ref byte source);

    /// <summary>Stores the low byte of every lane.</summary>
    static abstract void StoreBytes(TSelf value, ref byte destination);

    /// <summary>Stores the low 16 bits of every lane.</summary>
    static abstract void StoreWords(TSelf value, ref ushort destination);

    static abstract void Store(TSelf value, ref int destination);

    /// <summary>Stores to an address that is a multiple of the vector's size, past the caches where the machine can.</summary>
    static abstract unsafe void StoreAlignedNonTemporal(TSelf value, int* destination);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf left, TSelf right);

    static abstract TSelf operator &(TSelf left, TSelf right);

    static abstract TSelf operator |(TSelf left, TSelf right);

    static abstract TSelf operator <<(TSelf value, int count);

    static abstract TSelf operator >>(TSelf value, int count);

    /// <summary>The sum of the lanes as float32.</summary>
    static abstract TSelf AddSingle(TSelf left, TSelf right);

    /// <summary>The product of the lanes as float32.</summary>
    static abstract TSelf MultiplySingle(TSelf left, TSelf right);

    /// <summary>left × right + addend of the lanes as float32, rounded once where the machine can.</summary>
    static abstract TSelf MultiplyAddSingle(TSelf left, TSelf right, TSelf addend);

    /// <summary>The sum of all lanes as float32, always in the same order.</summary>
    static abstract float SumSingle(TSelf value);

    /// <summary>The quotient of the lanes as float32, rounded once.</summary>
    static abstract TSelf DivideSingle(TSelf left, TSelf right);

    /// <summary>The float32 of the integers in the lanes.</summary>
    static abstract TSelf ToSingle(TSelf value);

    /// <summary>The integers that the float32 in the lanes truncate to; anything for those that no integer holds.</summary>
    static abstract TSelf Truncate(TSelf value);

    static abstract TSelf Min(TSelf left, TSelf right);

    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>The larger of every two unsigned 16-bit integers, two to a lane.</summary>
    static abstract TSelf MaxWords(TSelf left, TSelf right);

    /// <summary>The largest lane.</summary>
    static abstract int MaxLane(TSelf value);

    /// <summary>All bits set in the lanes where <paramref name="left"/> is less, as signed integers.</summary>
    static abstract TSelf LessThan(TSelf left, TSelf right);

    static abstract TSelf Select(TSelf mask, TSelf whereSet, TSelf whereClear);
}
