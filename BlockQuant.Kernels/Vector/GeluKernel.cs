using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>
/// Dequantize, GELU, quantize over token groups of 1×128, eight lanes to a group, sixteen elements each, which stay in registers.
/// </summary>
/// <remarks>
/// Method: the block-wise INT8 kernels' <c>int8_gelu</c>. The approximation of <see cref="Arithmetic"/> moves a value by less than a hundredth of
/// a code, so that a code differs from <see cref="BlockGeluKernel"/>'s by at most 1, seldom.
/// </remarks>
internal static class GeluKernel
{
    /// <summary>Lanes in a group of the grid.</summary>
    public const int Lanes = 256;

    /// <summary>Elements that one lane takes.</summary>
    public const int ElementsPerLane = 32;

    public static void Run<TCode>(VectorArguments a)
        where TCode : struct, IVectorCode
    {
        long start = (long)Grid.IdxX * Group.DimX * 2;
        int count = (int)Math.Min(a.Length / 16 - start, 2L * Group.DimX);

        // Lanes past the end read the last codes again, since all lanes of a warp take part in its exchanges.
        int first = Group.IdxX, second = first + Group.DimX;
        long index1 = start + Math.Min(first, count - 1), index2 = start + Math.Min(second, count - 1);
        Vec4 codes1 = a.Source[index1], codes2 = a.Source[index2];
        float scale1 = a.SourceScales[index1 / 8], scale2 = a.SourceScales[index2 / 8];
        Apply<TCode>(a, index1, first < count, codes1, scale1);
        Apply<TCode>(a, index2, second < count, codes2, scale2);
    }

    private static void Apply<TCode>(VectorArguments a, long index, bool present, Vec4 codes, float sourceScale)
        where TCode : struct, IVectorCode
    {
        Values4 x = Arithmetic.Gelu(TCode.Decode(codes.X), sourceScale), y = Arithmetic.Gelu(TCode.Decode(codes.Y), sourceScale);
        Values4 z = Arithmetic.Gelu(TCode.Decode(codes.Z), sourceScale), w = Arithmetic.Gelu(TCode.Decode(codes.W), sourceScale);
        int amax = LaneGroup.MaxOf8(Magnitude.Max(Arithmetic.MaxMagnitude(x, y), Arithmetic.MaxMagnitude(z, w)));
        float scale = Magnitude.AtLeast(BitConverter.Int32BitsToSingle(amax) * (1f / Int8Code.MaxValue), Int8Code.MinOutputScale);

        // A trifle more, so that rounding toward zero does not take a code from the largest value. Where the scale is not finite the products
        // are 0 or NaN, and the codes 0.
        float reciprocal = Arithmetic.Reciprocal(scale) * 1.0000004f;
        var result = new Vec4
        {
            X = TCode.Encode(Scale(x, reciprocal)),
            Y = TCode.Encode(Scale(y, reciprocal)),
            Z = TCode.Encode(Scale(z, reciprocal)),
            W = TCode.Encode(Scale(w, reciprocal)),
        };
        if (present)
        {
            a.Output[index] = result;
            if ((Group.IdxX & 7) == 0)
            {
                a.OutputScales[index / 8] = scale;
            }
        }
    }

    private static Values4 Scale(Values4 v, float factor)
        => new() { A = v.A * factor, B = v.B * factor, C = v.C * factor, D = v.D * factor };
}
