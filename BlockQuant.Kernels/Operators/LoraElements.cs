namespace BlockQuant;

/// <summary>The element types that LoRA operands have.</summary>
internal enum LoraElementKind
{
    Float32,
    Float16,
    BFloat16,
    Float8,
}

/// <summary>The kind of an element type of LoRA.</summary>
internal static class LoraElement<T>
    where T : unmanaged
{
    public static LoraElementKind Kind(string operand)
    {
        if (typeof(T) == typeof(Float8E4M3))
        {
            return LoraElementKind.Float8;
        }

        return Element<T>.Kind(operand) switch
        {
            ElementKind.BFloat16 => LoraElementKind.BFloat16,
            ElementKind.Float16 => LoraElementKind.Float16,
            _ => LoraElementKind.Float32,
        };
    }
}
