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

    public static ArgumentException WrongElement<T>(string operand)
        => new($"{operand}: element type {typeof(T).Name}; expected BFloat16, Half or Single.", operand);
}
