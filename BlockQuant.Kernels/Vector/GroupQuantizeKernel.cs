using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>
/// Quantizes token groups of 1×128. Sixteen lanes hold a group, eight elements each, so that every value is read once; a lane starts the
/// reads of four groups before it uses the first.
/// </summary>
/// <remarks>Method: finegrained-fp8 <c>fp8_act_quant</c>; the codes and scales are those of <see cref="BlockQuantizeKernel"/>, bit for bit.</remarks>
internal static class GroupQuantizeKernel
{
    /// <summary>Lanes in a group of the grid.</summary>
    public const int Lanes = 256;

    /// <summary>Elements that one lane quantizes.</summary>
    public const int ElementsPerLane = 32;

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
        Quantize<TBits, TElement, TCode, TFormat>(a, first, bits1);
        Quantize<TBits, TElement, TCode, TFormat>(a, second, bits2);
        Quantize<TBits, TElement, TCode, TFormat>(a, third, bits3);
        Quantize<TBits, TElement, TCode, TFormat>(a, fourth, bits4);
    }

    /// <summary>Quantizes a lane's eight elements and writes them as eight elements number <paramref name="index"/>, where the output has those.</summary>
    internal static void Quantize<TBits, TElement, TCode, TFormat>(VectorArguments a, long index, TBits bits)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        where TFormat : struct, ICodeFormat
    {
        int amax = LaneGroup.MaxOf16(TElement.MaxMagnitude(bits));
        float scale = Magnitude.Scale<TFormat>(amax);
        float reciprocal = 1f / scale;
        var codes = new Vec2
        {
            X = VectorCode.Encode<TCode, TFormat>(TElement.DecodeLow(bits), scale, reciprocal, amax),
            Y = VectorCode.Encode<TCode, TFormat>(TElement.DecodeHigh(bits), scale, reciprocal, amax),
        };
        if (index < a.Length / 8)
        {
            a.Output.Cast<Vec2>()[index] = codes;
            if ((Group.IdxX & 15) == 0)
            {
                a.OutputScales[index / 16] = scale;
            }
        }
    }
}
