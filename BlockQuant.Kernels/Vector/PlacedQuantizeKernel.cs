using BlockQuant.Kernels.Portable;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary><see cref="GroupQuantizeKernel"/> that puts every row where it is told: a gather by expert that costs no copy of its own.</summary>
/// <remarks>Columns are a multiple of 128, so a lane's eight elements lie in one row.</remarks>
internal static class PlacedQuantizeKernel
{
    public static void Run<TBits, TElement, TCode, TFormat>(VectorArguments a)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
    {
        long first = (long)Grid.IdxX * Group.DimX * 4 + Group.IdxX;
        long second = first + Group.DimX, third = second + Group.DimX, fourth = third + Group.DimX;

        // Lanes past the end read the last elements again, since all lanes of a warp take part in its exchanges.
        long last = a.Length / 8 - 1;
        TBits bits1 = TElement.Load(a.Source, Math.Min(first, last));
        TBits bits2 = TElement.Load(a.Source, Math.Min(second, last));
        TBits bits3 = TElement.Load(a.Source, Math.Min(third, last));
        TBits bits4 = TElement.Load(a.Source, Math.Min(fourth, last));
        GroupQuantizeKernel.Quantize<TBits, TElement, TCode, TFormat>(a, Target(a, first), bits1);
        GroupQuantizeKernel.Quantize<TBits, TElement, TCode, TFormat>(a, Target(a, second), bits2);
        GroupQuantizeKernel.Quantize<TBits, TElement, TCode, TFormat>(a, Target(a, third), bits3);
        GroupQuantizeKernel.Quantize<TBits, TElement, TCode, TFormat>(a, Target(a, fourth), bits4);
    }

    // Which eight elements of the output a lane's are: past the end for lanes past the end and for rows that have no place.
    private static long Target(VectorArguments a, long index)
    {
        long end = a.Length / 8, wide = a.Columns / 8;
        long row = Math.Min(index, end - 1) / wide;
        int place = a.Places[row];
        return place < 0 || index >= end ? end : index + (place - row) * wide;
    }
}
