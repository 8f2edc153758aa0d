using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using BlockQuant.Kernels.Vector;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>Neighbours along K of one row, as a lane reads them.</summary>
/// <typeparam name="TBits">Their registers.</typeparam>
internal interface IFragment<TBits>
    where TBits : unmanaged
{
    /// <summary>Elements of a fragment.</summary>
    static abstract int Elements { get; }

    /// <summary>Bytes of an element.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>Reads a fragment, or zeros where <paramref name="enabled"/> is 0.</summary>
    static abstract TBits Load(long address, int enabled);
}

/// <summary>Sixteen FP8 codes.</summary>
internal readonly struct Codes16 : IFragment<Vec4>
{
    public static int Elements => 16;

    public static int ElementBytes => 1;

    public static Vec4 Load(long address, int enabled) => GlobalMemory.Load16(address, enabled);
}

/// <summary>Four FP8 codes.</summary>
internal readonly struct Codes4 : IFragment<int>
{
    public static int Elements => 4;

    public static int ElementBytes => 1;

    public static int Load(long address, int enabled) => GlobalMemory.Load4(address, enabled);
}

/// <summary>Sixteen elements of 16 bits.</summary>
internal readonly struct Halves16 : IFragment<Vec8>
{
    public static int Elements => 16;

    public static int ElementBytes => 2;

    public static Vec8 Load(long address, int enabled) => new() { Low = GlobalMemory.Load16(address, enabled), High = GlobalMemory.Load16(address + 16, enabled) };
}

/// <summary>Four elements of 16 bits.</summary>
internal readonly struct Halves4 : IFragment<Vec2>
{
    public static int Elements => 4;

    public static int ElementBytes => 2;

    public static Vec2 Load(long address, int enabled) => GlobalMemory.Load8(address, enabled);
}

/// <summary>The type in which the tensor cores multiply.</summary>
internal interface IProductType
{
    static abstract Acc4 Multiply<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged;
}

/// <summary>float16: of float16 elements, FP8 codes, or both.</summary>
internal readonly struct Float16Product : IProductType
{
    public static Acc4 Multiply<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => TensorCore.MultiplyFloat16(acc, upper, lower, column);
}

/// <summary>bfloat16: of bfloat16 elements, with bfloat16 or FP8 codes.</summary>
internal readonly struct BFloat16Product : IProductType
{
    public static Acc4 Multiply<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => TensorCore.MultiplyBFloat16(acc, upper, lower, column);
}
