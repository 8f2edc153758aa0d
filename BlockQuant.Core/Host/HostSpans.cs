using System.Runtime.InteropServices;

namespace BlockQuant.Host;

/// <summary>What the operators over spans check before they start.</summary>
internal static class HostSpans
{
    public static void RequireLength(int length, long rows, long columns, string operand)
    {
        if (length != (Int128)rows * columns)
        {
            throw new ArgumentException($"{operand}: length {length}; expected {rows} x {columns}.", operand);
        }
    }

    public static void RequireDisjoint<TOut, TIn>(Span<TOut> output, string outputName, ReadOnlySpan<TIn> other, string otherName)
        where TOut : unmanaged
        where TIn : unmanaged
    {
        if (MemoryMarshal.AsBytes(output).Overlaps(MemoryMarshal.AsBytes(other)))
        {
            throw new ArgumentException($"{outputName}: overlaps {otherName}; expected memory of its own.", outputName);
        }
    }

    public static HostElementKind ElementKind<T>(string operand)
        where T : unmanaged
        => typeof(T) == typeof(float) ? HostElementKind.Float32
            : typeof(T) == typeof(Half) ? HostElementKind.Float16
            : typeof(T) == typeof(BFloat16) ? HostElementKind.BFloat16
            : throw new ArgumentException($"{operand}: element type {typeof(T).Name}; expected BFloat16, Half or Single.", operand);
}
