using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>Output = code × scale. A lane reads eight codes and writes eight values, four times.</summary>
internal static class DequantizeKernel
{
    /// <summary>Lanes in a group of the grid.</summary>
    public const int Lanes = 256;

    /// <summary>Elements that one lane dequantizes.</summary>
    public const int ElementsPerLane = 32;

    /// <summary>Token groups of 1×128, one behind the other.</summary>
    public static void Groups<TBits, TElement, TCode>(VectorArguments a)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
    {
        long count = a.Length / 8, first = (long)Grid.IdxX * Group.DimX * 4 + Group.IdxX;
        long second = first + Group.DimX, third = second + Group.DimX, fourth = third + Group.DimX;
        ArrayView<Vec2> codes = a.Source.Cast<Vec2>();
        Vec2 codes1 = codes[Math.Min(first, count - 1)], codes2 = codes[Math.Min(second, count - 1)];
        Vec2 codes3 = codes[Math.Min(third, count - 1)], codes4 = codes[Math.Min(fourth, count - 1)];
        float scale1 = a.SourceScales[Math.Min(first, count - 1) / 16], scale2 = a.SourceScales[Math.Min(second, count - 1) / 16];
        float scale3 = a.SourceScales[Math.Min(third, count - 1) / 16], scale4 = a.SourceScales[Math.Min(fourth, count - 1) / 16];
        if (first < count)
        {
            Write<TBits, TElement, TCode>(a.Output, first, codes1, scale1);
        }

        if (second < count)
        {
            Write<TBits, TElement, TCode>(a.Output, second, codes2, scale2);
        }

        if (third < count)
        {
            Write<TBits, TElement, TCode>(a.Output, third, codes3, scale3);
        }

        if (fourth < count)
        {
            Write<TBits, TElement, TCode>(a.Output, fourth, codes4, scale4);
        }
    }

    /// <summary>Blocks of 128×128; a group of the grid takes 64 rows of one.</summary>
    public static void Blocks<TBits, TElement, TCode>(VectorArguments a)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
    {
        int blockColumns = (int)(a.Columns / 128);
        int half = Grid.IdxX / blockColumns, blockColumn = Grid.IdxX - half * blockColumns;
        long row = a.Columns / 8, stride = 16 * row;
        long index = (half * 64L + Group.IdxX / 16) * row + blockColumn * 16 + Group.IdxX % 16;
        ArrayView<Vec2> codes = a.Source.Cast<Vec2>();
        Vec2 codes1 = codes[index], codes2 = codes[index + stride], codes3 = codes[index + 2 * stride], codes4 = codes[index + 3 * stride];
        float scale = a.SourceScales[(long)(half / 2) * blockColumns + blockColumn];
        Write<TBits, TElement, TCode>(a.Output, index, codes1, scale);
        Write<TBits, TElement, TCode>(a.Output, index + stride, codes2, scale);
        Write<TBits, TElement, TCode>(a.Output, index + 2 * stride, codes3, scale);
        Write<TBits, TElement, TCode>(a.Output, index + 3 * stride, codes4, scale);
    }

    private static void Write<TBits, TElement, TCode>(ArrayView<Vec4> output, long index, Vec2 codes, float scale)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
        where TCode : struct, IVectorCode
        => TElement.Store(output, index, Scale(TCode.Decode(codes.X), scale), Scale(TCode.Decode(codes.Y), scale));

    private static Values4 Scale(Values4 values, float scale)
        => new() { A = values.A * scale, B = values.B * scale, C = values.C * scale, D = values.D * scale };
}
