using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>
/// Quantizes blocks of 128×128, one to a group of 256 lanes. A lane keeps its 64 elements in registers between the maximum and the codes, so that
/// every value is read once.
/// </summary>
/// <remarks>Method: the DeepSeek-V3 weight blocks; the codes and scales are those of <see cref="Portable.BlockQuantizeKernel"/>, bit for bit.</remarks>
internal static class BlockQuantizeKernel
{
    /// <summary>Lanes in a group of the grid: 16 along a row, 16 rows.</summary>
    public const int Lanes = 256;

    public static void Run<TBits, TElement, TCode, TFormat>(VectorArguments a)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
    {
        ArrayView<int> partial = SharedMemory.Allocate<int>(Lanes / 16);
        int blockColumns = (int)(a.Columns / 128);
        int blockRow = Grid.IdxX / blockColumns, blockColumn = Grid.IdxX - blockRow * blockColumns;
        long row = a.Columns / 8, stride = 16 * row;
        long index = (blockRow * 128L + Group.IdxX / 16) * row + blockColumn * 16 + Group.IdxX % 16;
        TBits bits1 = TElement.Load(a.Source, index);
        TBits bits2 = TElement.Load(a.Source, index + stride);
        TBits bits3 = TElement.Load(a.Source, index + 2 * stride);
        TBits bits4 = TElement.Load(a.Source, index + 3 * stride);
        TBits bits5 = TElement.Load(a.Source, index + 4 * stride);
        TBits bits6 = TElement.Load(a.Source, index + 5 * stride);
        TBits bits7 = TElement.Load(a.Source, index + 6 * stride);
        TBits bits8 = TElement.Load(a.Source, index + 7 * stride);

        int amax1 = Magnitude.Max(TElement.MaxMagnitude(bits1), TElement.MaxMagnitude(bits2));
        int amax2 = Magnitude.Max(TElement.MaxMagnitude(bits3), TElement.MaxMagnitude(bits4));
        int amax3 = Magnitude.Max(TElement.MaxMagnitude(bits5), TElement.MaxMagnitude(bits6));
        int amax4 = Magnitude.Max(TElement.MaxMagnitude(bits7), TElement.MaxMagnitude(bits8));
        int amax = LaneGroup.MaxOf16(Magnitude.Max(Magnitude.Max(amax1, amax2), Magnitude.Max(amax3, amax4)));
        if (Group.IdxX % 16 == 0)
        {
            partial[Group.IdxX / 16] = amax;
        }

        Group.Barrier();
        amax = LaneGroup.MaxOf16(partial[Group.IdxX % 16]);
        float scale = Magnitude.Scale<TFormat>(amax);
        float reciprocal = 1f / scale;
        if (Group.IdxX == 0)
        {
            a.OutputScales[Grid.IdxX] = scale;
        }

        ArrayView<Vec2> codes = a.Output.Cast<Vec2>();
        codes[index] = Encode<TBits, TElement, TCode, TFormat>(bits1, scale, reciprocal, amax);
        codes[index + stride] = Encode<TBits, TElement, TCode, TFormat>(bits2, scale, reciprocal, amax);
        codes[index + 2 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits3, scale, reciprocal, amax);
        codes[index + 3 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits4, scale, reciprocal, amax);
        codes[index + 4 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits5, scale, reciprocal, amax);
        codes[index + 5 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits6, scale, reciprocal, amax);
        codes[index + 6 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits7, scale, reciprocal, amax);
        codes[index + 7 * stride] = Encode<TBits, TElement, TCode, TFormat>(bits8, scale, reciprocal, amax);
    }

    private static Vec2 Encode<TBits, TElement, TCode, TFormat>(TBits bits, float scale, float reciprocal, int amax)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
        => new()
        {
            X = VectorCode.Encode<TCode, TFormat>(TElement.DecodeLow(bits), scale, reciprocal, amax),
            Y = VectorCode.Encode<TCode, TFormat>(TElement.DecodeHigh(bits), scale, reciprocal, amax),
        };
}
