using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BlockQuant.Host;

/// <summary>
/// A few decoded rows of activations times FP8 weights, which are decoded in registers: four rows and two columns at a time, so that the weights are
/// read once and what is decoded is used four times. Sums have the order of <see cref="MicroKernel{TLanes}"/>.
/// </summary>
internal static unsafe class Float8Rows
{
    /// <summary>Rows of activations at a time.</summary>
    public const int Rows = 4;

    /// <summary>Rows of the weights at a time.</summary>
    public const int Columns = 2;

    /// <summary>Whether the weights are FP8, and the machine decodes them by table.</summary>
    public static bool Takes(in HostOperand weights)
        => Float8Table.IsSupported && weights.Decoder == HostElement.Of(HostElementKind.Float8, VectorWidth.Bits512);

    /// <summary>The products of four rows and two columns, of which some may be the same.</summary>
    /// <param name="left">The rows' activations of the first piece.</param>
    /// <param name="leftScales">The rows' scales of the first piece.</param>
    /// <param name="rowCount">From one piece's scale of a row to the next one's, and from one piece's first activation, in pieces.</param>
    /// <param name="row">The first row.</param>
    /// <param name="right0">The first row of the weights.</param>
    /// <param name="right1">The second one.</param>
    /// <param name="rightScales0">The scales of its blocks, or null.</param>
    /// <param name="rightScales1">Those of the second one's.</param>
    /// <param name="pieces">The pieces, of whole granules.</param>
    /// <param name="values">Gets the products [column][row].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply(
        float* left, float* leftScales, int rowCount, int row, byte* right0, byte* right1, float* rightScales0, float* rightScales1, DepthPiece[] pieces, float* values)
    {
        var table = Float8Table.Load();
        int last = rowCount - 1;
        int row1 = Math.Min(row + 1, last), row2 = Math.Min(row + 2, last), row3 = Math.Min(row + 3, last);
        Lanes512* totals = stackalloc Lanes512[Rows * Columns];
        new Span<Lanes512>(totals, Rows * Columns).Clear();
        for (int i = 0; i < pieces.Length; i++)
        {
            ref readonly DepthPiece piece = ref pieces[i];
            float* activations = left + piece.Padded * rowCount;
            float* a0 = activations + row * piece.Length, a1 = activations + row1 * piece.Length;
            float* a2 = activations + row2 * piece.Length, a3 = activations + row3 * piece.Length;
            Vector512<float> s00 = default, s01 = default, s02 = default, s03 = default;
            Vector512<float> s10 = default, s11 = default, s12 = default, s13 = default;
            for (int k = 0; k < piece.Length; k += HostDecoder.Granule)
            {
                HostVectors.PrefetchStream(right0 + piece.K + k);
                table.Decode(right0 + piece.K + k, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
                s00 = MultiplyAdd(a0 + k, b0, b1, b2, b3, s00);
                s01 = MultiplyAdd(a1 + k, b0, b1, b2, b3, s01);
                s02 = MultiplyAdd(a2 + k, b0, b1, b2, b3, s02);
                s03 = MultiplyAdd(a3 + k, b0, b1, b2, b3, s03);
                HostVectors.PrefetchStream(right1 + piece.K + k);
                table.Decode(right1 + piece.K + k, out b0, out b1, out b2, out b3);
                s10 = MultiplyAdd(a0 + k, b0, b1, b2, b3, s10);
                s11 = MultiplyAdd(a1 + k, b0, b1, b2, b3, s11);
                s12 = MultiplyAdd(a2 + k, b0, b1, b2, b3, s12);
                s13 = MultiplyAdd(a3 + k, b0, b1, b2, b3, s13);
            }

            float* scales = leftScales + (long)i * rowCount;
            Promote(s00, scales[row], rightScales0, piece.WeightScale, totals);
            Promote(s01, scales[row1], rightScales0, piece.WeightScale, totals + 1);
            Promote(s02, scales[row2], rightScales0, piece.WeightScale, totals + 2);
            Promote(s03, scales[row3], rightScales0, piece.WeightScale, totals + 3);
            Promote(s10, scales[row], rightScales1, piece.WeightScale, totals + 4);
            Promote(s11, scales[row1], rightScales1, piece.WeightScale, totals + 5);
            Promote(s12, scales[row2], rightScales1, piece.WeightScale, totals + 6);
            Promote(s13, scales[row3], rightScales1, piece.WeightScale, totals + 7);
        }

        for (int i = 0; i < Rows * Columns; i++)
        {
            values[i] = Lanes512.SumSingle(totals[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> MultiplyAdd(
        float* activations, Vector512<float> b0, Vector512<float> b1, Vector512<float> b2, Vector512<float> b3, Vector512<float> sum)
    {
        sum = Vector512.MultiplyAddEstimate(Vector512.Load(activations), b0, sum);
        sum = Vector512.MultiplyAddEstimate(Vector512.Load(activations + 16), b1, sum);
        sum = Vector512.MultiplyAddEstimate(Vector512.Load(activations + 32), b2, sum);
        return Vector512.MultiplyAddEstimate(Vector512.Load(activations + 48), b3, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Promote(Vector512<float> sum, float leftScale, float* rightScales, long block, Lanes512* total)
        => *total = RowProduct<Float8E4M3, Float8LaneFormat, Lanes512>.Promote(new Lanes512(sum.AsInt32()), leftScale, rightScales, block, *total);
}
