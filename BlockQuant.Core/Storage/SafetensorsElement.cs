namespace BlockQuant.Storage;

/// <summary>What each <see cref="SafetensorsDType"/> is called in a header, how many bytes it takes and which .NET types hold it.</summary>
internal static class SafetensorsElement
{
    private static readonly Element[] Elements =
    [
        new(SafetensorsDType.Bool, "BOOL", 1, typeof(bool)),
        new(SafetensorsDType.UInt8, "U8", 1, typeof(byte)),
        new(SafetensorsDType.Int8, "I8", 1, typeof(sbyte)),
        new(SafetensorsDType.Float8E5M2, "F8_E5M2", 1, null),
        new(SafetensorsDType.Float8E4M3, "F8_E4M3", 1, typeof(Float8E4M3)),
        new(SafetensorsDType.Int16, "I16", 2, typeof(short)),
        new(SafetensorsDType.UInt16, "U16", 2, typeof(ushort)),
        new(SafetensorsDType.Float16, "F16", 2, typeof(Half)),
        new(SafetensorsDType.BFloat16, "BF16", 2, typeof(BFloat16)),
        new(SafetensorsDType.Int32, "I32", 4, typeof(int)),
        new(SafetensorsDType.UInt32, "U32", 4, typeof(uint)),
        new(SafetensorsDType.Float32, "F32", 4, typeof(float)),
        new(SafetensorsDType.Float64, "F64", 8, typeof(double)),
        new(SafetensorsDType.Int64, "I64", 8, typeof(long)),
        new(SafetensorsDType.UInt64, "U64", 8, typeof(ulong)),
    ];

    /// <summary>The type a header means by a name, or <see cref="SafetensorsDType.Unknown"/>.</summary>
    public static SafetensorsDType FromName(string name) =>
        Array.Find(Elements, element => element.Name == name)?.DType ?? SafetensorsDType.Unknown;

    /// <summary>The type's name in a header.</summary>
    public static string NameOf(SafetensorsDType dtype) => Of(dtype).Name;

    /// <summary>The bytes one element takes.</summary>
    public static int SizeOf(SafetensorsDType dtype) => Of(dtype).Size;

    /// <summary>The type whose elements are values of <typeparamref name="T"/>.</summary>
    public static SafetensorsDType TypeOf<T>()
        where T : unmanaged =>
        Array.Find(Elements, element => element.Type == typeof(T))?.DType
        ?? throw new NotSupportedException($"safetensors has no element type for {typeof(T).Name}.");

    /// <summary>Whether a tensor may be read as <typeparamref name="T"/>: its own type, or bytes for any type of one byte.</summary>
    public static bool IsReadableAs<T>(SafetensorsDType dtype)
        where T : unmanaged =>
        dtype == TypeOf<T>() || (typeof(T) == typeof(byte) && SizeOf(dtype) == 1);

    private static Element Of(SafetensorsDType dtype) =>
        Array.Find(Elements, element => element.DType == dtype)
        ?? throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "the element type is not one of the format's.");

    private sealed record Element(SafetensorsDType DType, string Name, int Size, Type? Type);
}
