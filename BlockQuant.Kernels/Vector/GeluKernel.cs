using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>
/// Dequantize, GELU, quantize over token groups of 1×128, four lanes to a group, thirty-two elements each, which stay in registers.
/// </summary>
/// <remarks>
/// Method: the block-wise INT8 kernels' <c>int8_gelu</c>. Instructions, not memory, limit it. So the polynomial's coefficients take up the scale, GELU
/// comes out in units of it, and the largest magnitude is the largest of the values' bits as integers; where that does not hold, for scales out of range
/// and groups of small or negative values, <see cref="WriteExact"/> computes anew. The approximation moves a value by less than a hundredth of a code, so
/// that a code differs from <see cref="BlockGeluKernel"/>'s by at most 1, seldom.
/// </remarks>
internal static class GeluKernel
{
    /// <summary>Lanes in a group of the grid: few, so that some load while others compute.</summary>
    public const int Lanes = 64;

    /// <summary>Elements that one lane takes.</summary>
    public const int ElementsPerLane = 32;

    /// <summary>Groups of the grid that a multiprocessor holds at once.</summary>
    public const int GroupsPerMultiprocessor = 16;

    // The bits of 0.17: no GELU is below −0.17, so where the largest is above, no magnitude is larger.
    private const int LeastMaximum = 0x3E2E147B;

    // The bits of 1e4, whose fifth power, times that of a code, is far from infinity.
    private const uint LargestScale = 0x461C4000;

    // A trifle above 1, so that rounding toward zero does not take a code from the largest value.
    private const float RoundedUp = 1.0000006f;

    public static void Run<TCode>(VectorArguments a)
        where TCode : struct, IVectorCode
    {
        // Lanes past the end redo the last token group and write what its own lanes write, since all lanes of a warp take part in its exchanges. All four
        // lanes write the scale: a condition would cost more.
        long group = Math.Min(Grid.IdxX * (Lanes / 4L) + Group.IdxX / 4, a.Length / 128 - 1);
        long index = group * 8 + (Group.IdxX & 3);
        var codes = new Vec8 { Low = a.Source[index], High = a.Source[index + 4] };
        float sourceScale = a.SourceScales[group];

        GeluCurve curve = GeluCurve.Of(sourceScale);
        Values4 v1 = GeluApproximation.OfCodes(codes.Low.X, curve), v2 = GeluApproximation.OfCodes(codes.Low.Y, curve);
        Values4 v3 = GeluApproximation.OfCodes(codes.Low.Z, curve), v4 = GeluApproximation.OfCodes(codes.Low.W, curve);
        Values4 v5 = GeluApproximation.OfCodes(codes.High.X, curve), v6 = GeluApproximation.OfCodes(codes.High.Y, curve);
        Values4 v7 = GeluApproximation.OfCodes(codes.High.Z, curve), v8 = GeluApproximation.OfCodes(codes.High.W, curve);
        int low = Math.Max(Math.Max(Largest(v1), Largest(v2)), Math.Max(Largest(v3), Largest(v4)));
        int high = Math.Max(Math.Max(Largest(v5), Largest(v6)), Math.Max(Largest(v7), Largest(v8)));
        float maximum = BitConverter.Int32BitsToSingle(LaneGroup.MaxOf4(Math.Max(low, high))) * sourceScale;
        float scale = ScaleOf(maximum);
        float factor = Arithmetic.Reciprocal(scale) * sourceScale * RoundedUp;
        var result = new Vec8
        {
            Low = { X = Encode<TCode>(v1, factor), Y = Encode<TCode>(v2, factor), Z = Encode<TCode>(v3, factor), W = Encode<TCode>(v4, factor) },
            High = { X = Encode<TCode>(v5, factor), Y = Encode<TCode>(v6, factor), Z = Encode<TCode>(v7, factor), W = Encode<TCode>(v8, factor) },
        };

        // As integers, negative scales and those that are not finite are above the largest, too.
        bool holds = BitConverter.SingleToInt32Bits(maximum) >= LeastMaximum & (uint)BitConverter.SingleToInt32Bits(sourceScale) <= LargestScale;
        if (LaneGroup.All(holds))
        {
            Write(a, group, index, result, scale);
        }
        else
        {
            WriteExact<TCode>(a, group, index, codes, sourceScale, holds, result, scale);
        }
    }

    private static void Write(VectorArguments a, long group, long index, Vec8 codes, float scale)
    {
        a.Output[index] = codes.Low;
        a.Output[index + 4] = codes.High;
        a.OutputScales[group] = scale;
    }

    /// <summary>Computes the values themselves, in a loop that keeps the code short.</summary>
    /// <remarks>
    /// All lanes of the warp do, since they exchange. A token group for which the fast way <paramref name="holds"/> keeps its <paramref name="result"/>
    /// and <paramref name="scale"/>, so that no group depends on its neighbours.
    /// </remarks>
    private static void WriteExact<TCode>(
        VectorArguments a, long group, long index, Vec8 codes, float sourceScale, bool holds, Vec8 result, float scale)
        where TCode : struct, IVectorCode
    {
        int amax = 0;
        for (int i = 0; i < 8; i++)
        {
            amax = Math.Max(amax, Arithmetic.MaxMagnitude(GeluApproximation.Of(TCode.Decode(codes.Low.X), sourceScale)));
            codes = Turn(codes, codes.Low.X);
        }

        float exactScale = ScaleOf(BitConverter.Int32BitsToSingle(LaneGroup.MaxOf4(amax)));

        // Where the scale is not finite, the products are 0 or NaN and the codes 0.
        float factor = Arithmetic.Reciprocal(exactScale) * RoundedUp;
        for (int i = 0; i < 8; i++)
        {
            int exact = Encode<TCode>(GeluApproximation.Of(TCode.Decode(codes.Low.X), sourceScale), factor);
            result = Turn(result, Arithmetic.If(holds, result.Low.X, exact));
            codes = Turn(codes, codes.Low.X);
        }

        int bits = Arithmetic.If(holds, BitConverter.SingleToInt32Bits(scale), BitConverter.SingleToInt32Bits(exactScale));
        Write(a, group, index, result, BitConverter.Int32BitsToSingle(bits));
    }

    /// <summary>Eight registers moved on by one.</summary>
    private static Vec8 Turn(Vec8 v, int last) => new()
    {
        Low = { X = v.Low.Y, Y = v.Low.Z, Z = v.Low.W, W = v.High.X },
        High = { X = v.High.Y, Y = v.High.Z, Z = v.High.W, W = last },
    };

    private static float ScaleOf(float amax) => Magnitude.AtLeast(amax * (1f / Int8Code.MaxValue), Int8Code.MinOutputScale);

    private static int Largest(Values4 v) => Math.Max(
        Math.Max(BitConverter.SingleToInt32Bits(v.A), BitConverter.SingleToInt32Bits(v.B)),
        Math.Max(BitConverter.SingleToInt32Bits(v.C), BitConverter.SingleToInt32Bits(v.D)));

    private static int Encode<TCode>(Values4 v, float factor)
        where TCode : struct, IVectorCode
        => TCode.Encode(new() { A = v.A * factor, B = v.B * factor, C = v.C * factor, D = v.D * factor });
}
