namespace BlockQuant.Kernels;

/// <summary>A kernel's argument struct, or a struct within one: views, numbers and such structs.</summary>
internal interface IKernelArguments
{
    /// <summary>Bytes to a multiple of which the struct is aligned: 8, or 4 where every field is a 32-bit number.</summary>
    static virtual int Alignment => 8;

    /// <summary>Adds every field in the order of declaration.</summary>
    void Write(ref ArgumentBlock block);
}
