using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>A lane's share of an accumulator tile, as numbers: see <see cref="Acc4"/> for where each of its fields lies.</summary>
internal static class Fragment
{
    /// <summary>Its fields.</summary>
    public static Span<float> Of<TAcc>(ref TAcc acc)
        where TAcc : unmanaged
        => MemoryMarshal.CreateSpan(ref Unsafe.As<TAcc, float>(ref acc), Length<TAcc>());

    /// <summary>How many fields it has.</summary>
    public static int Length<TAcc>()
        where TAcc : unmanaged
        => Unsafe.SizeOf<TAcc>() / sizeof(float);

    /// <summary>The tile's row that a field of a warpgroup's lane holds.</summary>
    public static int Row(int lane, int field) => lane / 32 * 16 + lane % 32 / 4 + (field >> 1 & 1) * 8;

    /// <summary>The tile's column that a field of a warpgroup's lane holds.</summary>
    public static int Column(int lane, int field) => (field >> 2) * 8 + lane % 4 * 2 + (field & 1);
}
