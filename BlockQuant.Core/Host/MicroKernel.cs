using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>
/// The inner loops of a product: one to four decoded rows of activations times six decoded rows of the weights over one piece of the depth. Lanes
/// run along the depth and stay apart to the end, so an element's sum has one order however many rows there are.
/// </summary>
/// <remarks>Written out, because an accumulator in an array would be in memory: 4 × 6 of them and the operands fill 32 registers, 2 × 6 fill 16.</remarks>
internal static unsafe class MicroKernel<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>Rows of the weights.</summary>
    public const int Columns = 6;

    private const int Stride = DepthPiece.MaxLength;

    /// <summary>The most rows of activations at a time: only the widest vectors come with 32 registers.</summary>
    public static int MaxRows => typeof(TLanes) == typeof(Lanes512) ? 4 : 2;

    /// <summary>Adds factor × product to the totals of <paramref name="rows"/> × 6 elements and returns how many rows that were at once.</summary>
    /// <param name="rows">Rows that are left.</param>
    /// <param name="left">Activations, <paramref name="leftStride"/> apart.</param>
    /// <param name="leftStride">Floats from one row to the next.</param>
    /// <param name="right">Weights, <see cref="DepthPiece.MaxLength"/> apart.</param>
    /// <param name="depth">Floats of each row, whole vectors.</param>
    /// <param name="factors">Factors [column][row].</param>
    /// <param name="factorStride">Factors from one column to the next.</param>
    /// <param name="totals">Vectors of partial sums [row][column].</param>
    /// <param name="totalStride">Vectors from one row to the next.</param>
    public static int Multiply(
        int rows, float* left, long leftStride, float* right, int depth, float* factors, long factorStride, TLanes* totals, long totalStride)
    {
        if (rows >= 4 && MaxRows == 4)
        {
            Multiply4(left, leftStride, right, depth, factors, factorStride, totals, totalStride);
            return 4;
        }

        if (rows >= 2)
        {
            Multiply2(left, leftStride, right, depth, factors, factorStride, totals, totalStride);
            return 2;
        }

        Multiply1(left, right, depth, factors, factorStride, totals);
        return 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply1(float* left, float* right, int depth, float* factors, long factorStride, TLanes* totals)
    {
        TLanes s00 = default, s01 = default, s02 = default, s03 = default, s04 = default, s05 = default;
        for (int k = 0; k < depth; k += TLanes.Count)
        {
            TLanes a0 = Load(left + k);
            TLanes b0 = Load(right + k);
            s00 = TLanes.MultiplyAddSingle(a0, b0, s00);
            TLanes b1 = Load(right + Stride + k);
            s01 = TLanes.MultiplyAddSingle(a0, b1, s01);
            TLanes b2 = Load(right + 2 * Stride + k);
            s02 = TLanes.MultiplyAddSingle(a0, b2, s02);
            TLanes b3 = Load(right + 3 * Stride + k);
            s03 = TLanes.MultiplyAddSingle(a0, b3, s03);
            TLanes b4 = Load(right + 4 * Stride + k);
            s04 = TLanes.MultiplyAddSingle(a0, b4, s04);
            TLanes b5 = Load(right + 5 * Stride + k);
            s05 = TLanes.MultiplyAddSingle(a0, b5, s05);
        }

        Promote(s00, factors, totals);
        Promote(s01, factors + factorStride, totals + 1);
        Promote(s02, factors + 2 * factorStride, totals + 2);
        Promote(s03, factors + 3 * factorStride, totals + 3);
        Promote(s04, factors + 4 * factorStride, totals + 4);
        Promote(s05, factors + 5 * factorStride, totals + 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply2(float* left, long leftStride, float* right, int depth, float* factors, long factorStride, TLanes* totals, long totalStride)
    {
        TLanes s00 = default, s01 = default, s02 = default, s03 = default, s04 = default, s05 = default;
        TLanes s10 = default, s11 = default, s12 = default, s13 = default, s14 = default, s15 = default;
        float* left1 = left + leftStride;
        for (int k = 0; k < depth; k += TLanes.Count)
        {
            TLanes a0 = Load(left + k);
            TLanes a1 = Load(left1 + k);
            TLanes b0 = Load(right + k);
            s00 = TLanes.MultiplyAddSingle(a0, b0, s00);
            s10 = TLanes.MultiplyAddSingle(a1, b0, s10);
            TLanes b1 = Load(right + Stride + k);
            s01 = TLanes.MultiplyAddSingle(a0, b1, s01);
            s11 = TLanes.MultiplyAddSingle(a1, b1, s11);
            TLanes b2 = Load(right + 2 * Stride + k);
            s02 = TLanes.MultiplyAddSingle(a0, b2, s02);
            s12 = TLanes.MultiplyAddSingle(a1, b2, s12);
            TLanes b3 = Load(right + 3 * Stride + k);
            s03 = TLanes.MultiplyAddSingle(a0, b3, s03);
            s13 = TLanes.MultiplyAddSingle(a1, b3, s13);
            TLanes b4 = Load(right + 4 * Stride + k);
            s04 = TLanes.MultiplyAddSingle(a0, b4, s04);
            s14 = TLanes.MultiplyAddSingle(a1, b4, s14);
            TLanes b5 = Load(right + 5 * Stride + k);
            s05 = TLanes.MultiplyAddSingle(a0, b5, s05);
            s15 = TLanes.MultiplyAddSingle(a1, b5, s15);
        }

        Promote(s00, factors, totals);
        Promote(s01, factors + factorStride, totals + 1);
        Promote(s02, factors + 2 * factorStride, totals + 2);
        Promote(s03, factors + 3 * factorStride, totals + 3);
        Promote(s04, factors + 4 * factorStride, totals + 4);
        Promote(s05, factors + 5 * factorStride, totals + 5);
        Promote(s10, factors + 1, totals + totalStride);
        Promote(s11, factors + factorStride + 1, totals + totalStride + 1);
        Promote(s12, factors + 2 * factorStride + 1, totals + totalStride + 2);
        Promote(s13, factors + 3 * factorStride + 1, totals + totalStride + 3);
        Promote(s14, factors + 4 * factorStride + 1, totals + totalStride + 4);
        Promote(s15, factors + 5 * factorStride + 1, totals + totalStride + 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply4(float* left, long leftStride, float* right, int depth, float* factors, long factorStride, TLanes* totals, long totalStride)
    {
        TLanes s00 = default, s01 = default, s02 = default, s03 = default, s04 = default, s05 = default;
        TLanes s10 = default, s11 = default, s12 = default, s13 = default, s14 = default, s15 = default;
        TLanes s20 = default, s21 = default, s22 = default, s23 = default, s24 = default, s25 = default;
        TLanes s30 = default, s31 = default, s32 = default, s33 = default, s34 = default, s35 = default;
        float* left1 = left + leftStride;
        float* left2 = left + 2 * leftStride;
        float* left3 = left + 3 * leftStride;
        for (int k = 0; k < depth; k += TLanes.Count)
        {
            TLanes a0 = Load(left + k);
            TLanes a1 = Load(left1 + k);
            TLanes a2 = Load(left2 + k);
            TLanes a3 = Load(left3 + k);
            TLanes b0 = Load(right + k);
            s00 = TLanes.MultiplyAddSingle(a0, b0, s00);
            s10 = TLanes.MultiplyAddSingle(a1, b0, s10);
            s20 = TLanes.MultiplyAddSingle(a2, b0, s20);
            s30 = TLanes.MultiplyAddSingle(a3, b0, s30);
            TLanes b1 = Load(right + Stride + k);
            s01 = TLanes.MultiplyAddSingle(a0, b1, s01);
            s11 = TLanes.MultiplyAddSingle(a1, b1, s11);
            s21 = TLanes.MultiplyAddSingle(a2, b1, s21);
            s31 = TLanes.MultiplyAddSingle(a3, b1, s31);
            TLanes b2 = Load(right + 2 * Stride + k);
            s02 = TLanes.MultiplyAddSingle(a0, b2, s02);
            s12 = TLanes.MultiplyAddSingle(a1, b2, s12);
            s22 = TLanes.MultiplyAddSingle(a2, b2, s22);
            s32 = TLanes.MultiplyAddSingle(a3, b2, s32);
            TLanes b3 = Load(right + 3 * Stride + k);
            s03 = TLanes.MultiplyAddSingle(a0, b3, s03);
            s13 = TLanes.MultiplyAddSingle(a1, b3, s13);
            s23 = TLanes.MultiplyAddSingle(a2, b3, s23);
            s33 = TLanes.MultiplyAddSingle(a3, b3, s33);
            TLanes b4 = Load(right + 4 * Stride + k);
            s04 = TLanes.MultiplyAddSingle(a0, b4, s04);
            s14 = TLanes.MultiplyAddSingle(a1, b4, s14);
            s24 = TLanes.MultiplyAddSingle(a2, b4, s24);
            s34 = TLanes.MultiplyAddSingle(a3, b4, s34);
            TLanes b5 = Load(right + 5 * Stride + k);
            s05 = TLanes.MultiplyAddSingle(a0, b5, s05);
            s15 = TLanes.MultiplyAddSingle(a1, b5, s15);
            s25 = TLanes.MultiplyAddSingle(a2, b5, s25);
            s35 = TLanes.MultiplyAddSingle(a3, b5, s35);
        }

        Promote(s00, factors, totals);
        Promote(s01, factors + factorStride, totals + 1);
        Promote(s02, factors + 2 * factorStride, totals + 2);
        Promote(s03, factors + 3 * factorStride, totals + 3);
        Promote(s04, factors + 4 * factorStride, totals + 4);
        Promote(s05, factors + 5 * factorStride, totals + 5);
        Promote(s10, factors + 1, totals + totalStride);
        Promote(s11, factors + factorStride + 1, totals + totalStride + 1);
        Promote(s12, factors + 2 * factorStride + 1, totals + totalStride + 2);
        Promote(s13, factors + 3 * factorStride + 1, totals + totalStride + 3);
        Promote(s14, factors + 4 * factorStride + 1, totals + totalStride + 4);
        Promote(s15, factors + 5 * factorStride + 1, totals + totalStride + 5);
        Promote(s20, factors + 2, totals + 2 * totalStride);
        Promote(s21, factors + factorStride + 2, totals + 2 * totalStride + 1);
        Promote(s22, factors + 2 * factorStride + 2, totals + 2 * totalStride + 2);
        Promote(s23, factors + 3 * factorStride + 2, totals + 2 * totalStride + 3);
        Promote(s24, factors + 4 * factorStride + 2, totals + 2 * totalStride + 4);
        Promote(s25, factors + 5 * factorStride + 2, totals + 2 * totalStride + 5);
        Promote(s30, factors + 3, totals + 3 * totalStride);
        Promote(s31, factors + factorStride + 3, totals + 3 * totalStride + 1);
        Promote(s32, factors + 2 * factorStride + 3, totals + 3 * totalStride + 2);
        Promote(s33, factors + 3 * factorStride + 3, totals + 3 * totalStride + 3);
        Promote(s34, factors + 4 * factorStride + 3, totals + 3 * totalStride + 4);
        Promote(s35, factors + 5 * factorStride + 3, totals + 3 * totalStride + 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Promote(TLanes sum, float* factor, TLanes* total)
        => *total = TLanes.MultiplyAddSingle(sum, TLanes.Create(*(int*)factor), *total);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Load(float* source) => TLanes.Load(ref *(int*)source);
}
