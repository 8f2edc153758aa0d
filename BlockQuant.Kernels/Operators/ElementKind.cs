using BlockQuant.Kernels.Hopper;

namespace BlockQuant;

/// <summary>The full-precision element types that operators read and write.</summary>
internal enum ElementKind
{
    Float32,
    Float16,
    BFloat16,
}

/// <summary>The kind of an element type.</summary>
internal static class Element<T>
    where T : unmanaged
{
    public static ElementKind Kind(string operand)
    {
        if (typeof(T) == typeof(BFloat16))
        {
            return ElementKind.BFloat16;
        }

        if (typeof(T) == typeof(Half))
        {
            return ElementKind.Float16;
        }

        return typeof(T) == typeof(float)
            ? ElementKind.Float32
            : throw new ArgumentException($"{operand}: element type {typeof(T).Name}; expected BFloat16, Half or Single.", operand);
    }

    /// <summary>What the tensor cores' kernels call the type of an output.</summary>
    public static OutputType Output(string operand) => Kind(operand) switch
    {
        ElementKind.BFloat16 => OutputType.BFloat16,
        ElementKind.Float16 => OutputType.Half,
        _ => OutputType.Single,
    };
}
