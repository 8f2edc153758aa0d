namespace BlockQuant.Storage;

/// <summary>The element types of the safetensors format, in the order of its specification.</summary>
public enum SafetensorsDType
{
    /// <summary>A type this library does not know; such a tensor is listed but can't be read.</summary>
    Unknown,

    /// <summary><c>BOOL</c>, one byte.</summary>
    Bool,

    /// <summary><c>U8</c>.</summary>
    UInt8,

    /// <summary><c>I8</c>.</summary>
    Int8,

    /// <summary><c>F8_E5M2</c>, read as its codes.</summary>
    Float8E5M2,

    /// <summary><c>F8_E4M3</c> (e4m3fn).</summary>
    Float8E4M3,

    /// <summary><c>I16</c>.</summary>
    Int16,

    /// <summary><c>U16</c>.</summary>
    UInt16,

    /// <summary><c>F16</c>.</summary>
    Float16,

    /// <summary><c>BF16</c>.</summary>
    BFloat16,

    /// <summary><c>I32</c>.</summary>
    Int32,

    /// <summary><c>U32</c>.</summary>
    UInt32,

    /// <summary><c>F32</c>.</summary>
    Float32,

    /// <summary><c>F64</c>.</summary>
    Float64,

    /// <summary><c>I64</c>.</summary>
    Int64,

    /// <summary><c>U64</c>.</summary>
    UInt64,
}
