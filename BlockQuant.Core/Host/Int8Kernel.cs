using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// The inner loops of INT8 products on integer dot products: four rows of activations times twenty-four rows of the weights over one piece of the
/// depth, whose sum is exact, then scaled and added to the totals.
/// </summary>
/// <remarks>
/// The instruction multiplies unsigned bytes by signed ones. The weights are raised by 128 to be unsigned, and the sum of the activations, times as
/// much, is taken off.
/// </remarks>
internal static unsafe class Int8Kernel
{
    /// <summary>Rows of activations.</summary>
    public const int Rows = 4;

    /// <summary>Rows of the weights: three vectors of sums beside each other, twelve with four rows, which leaves four registers of sixteen.</summary>
    public const int Columns = 3 * Lanes;

    /// <summary>What is added to a weight.</summary>
    public const int Raise = 128;

    /// <summary>Elements that one lane sums at once.</summary>
    private const int LaneDepth = sizeof(int);

    private const int Lanes = 8;

    /// <summary>Elements of a vector along the depth.</summary>
    private const int VectorDepth = Lanes * LaneDepth;

    /// <summary>Whether the machine has the dot products.</summary>
    public static bool IsSupported => AvxVnni.IsSupported;

    /// <summary>Packs rows of the weights, raised, so that four neighbours in depth of each row lie side by side: [depth / 4][row][4].</summary>
    /// <param name="rows">The rows, <see cref="DepthPiece.MaxLength"/> apart, of which whole vectors are read.</param>
    /// <param name="depth">Elements of each row.</param>
    /// <param name="packed">Gets the weights, whole vectors of depth.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(byte* rows, int depth, byte* packed)
    {
        for (int column = 0; column < Columns; column += Lanes)
        {
            for (int k = 0; k < depth; k += VectorDepth)
            {
                Transpose((int*)(rows + column * DepthPiece.MaxLength + k), (int*)packed + k / LaneDepth * Columns + column);
            }
        }
    }

    /// <summary>Adds factor × product to the totals.</summary>
    /// <param name="left">Four rows of activations.</param>
    /// <param name="leftStride">Bytes from one to the next.</param>
    /// <param name="right">Weights that <see cref="Pack"/> packed.</param>
    /// <param name="depth">Elements of the depth, a multiple of four.</param>
    /// <param name="raised">What to add to the sums of each row for the weights' being raised.</param>
    /// <param name="leftScales">The scales of the rows.</param>
    /// <param name="rightScales">The scales of the columns.</param>
    /// <param name="totals">[row][column].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply(
        sbyte* left, int leftStride, byte* right, int depth, int* raised, float* leftScales, float* rightScales, float* totals)
    {
        Vector256<int> s00 = Vector256.Create(raised[0]), s01 = s00, s02 = s00;
        Vector256<int> s10 = Vector256.Create(raised[1]), s11 = s10, s12 = s10;
        Vector256<int> s20 = Vector256.Create(raised[2]), s21 = s20, s22 = s20;
        Vector256<int> s30 = Vector256.Create(raised[3]), s31 = s30, s32 = s30;
        sbyte* left1 = left + leftStride;
        sbyte* left2 = left1 + leftStride;
        sbyte* left3 = left2 + leftStride;
        for (int k = 0; k < depth; k += LaneDepth)
        {
            Vector256<byte> b0 = Vector256.Load(right);
            Vector256<byte> b1 = Vector256.Load(right + VectorDepth);
            Vector256<byte> b2 = Vector256.Load(right + 2 * VectorDepth);
            Vector256<sbyte> a = Four(left + k);
            s00 = AvxVnni.MultiplyWideningAndAdd(s00, b0, a);
            s01 = AvxVnni.MultiplyWideningAndAdd(s01, b1, a);
            s02 = AvxVnni.MultiplyWideningAndAdd(s02, b2, a);
            a = Four(left1 + k);
            s10 = AvxVnni.MultiplyWideningAndAdd(s10, b0, a);
            s11 = AvxVnni.MultiplyWideningAndAdd(s11, b1, a);
            s12 = AvxVnni.MultiplyWideningAndAdd(s12, b2, a);
            a = Four(left2 + k);
            s20 = AvxVnni.MultiplyWideningAndAdd(s20, b0, a);
            s21 = AvxVnni.MultiplyWideningAndAdd(s21, b1, a);
            s22 = AvxVnni.MultiplyWideningAndAdd(s22, b2, a);
            a = Four(left3 + k);
            s30 = AvxVnni.MultiplyWideningAndAdd(s30, b0, a);
            s31 = AvxVnni.MultiplyWideningAndAdd(s31, b1, a);
            s32 = AvxVnni.MultiplyWideningAndAdd(s32, b2, a);
            right += LaneDepth * Columns;
        }

        Promote(s00, s01, s02, leftScales[0], rightScales, totals);
        Promote(s10, s11, s12, leftScales[1], rightScales, totals + Columns);
        Promote(s20, s21, s22, leftScales[2], rightScales, totals + 2 * Columns);
        Promote(s30, s31, s32, leftScales[3], rightScales, totals + 3 * Columns);
    }

    /// <summary>One row of activations times one row of the weights, as it lies in memory: the same total as any other's.</summary>
    /// <param name="left">The row of activations.</param>
    /// <param name="raised">What to add to the sum of each piece for the weights' being raised.</param>
    /// <param name="leftScales">One scale a piece.</param>
    /// <param name="right">The row of the weights.</param>
    /// <param name="rightScales">The scales of its blocks, or null.</param>
    /// <param name="pieces">The pieces, of whole granules.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float MultiplyRow(sbyte* left, int* raised, float* leftScales, byte* right, float* rightScales, DepthPiece[] pieces)
    {
        Vector256<byte> raise = Vector256.Create((byte)Raise);
        float total = 0f;
        for (int i = 0; i < pieces.Length; i++)
        {
            ref readonly DepthPiece piece = ref pieces[i];
            sbyte* activations = left + piece.Padded;
            byte* weights = right + piece.K;
            Vector256<int> even = default;
            Vector256<int> odd = default;
            for (int k = 0; k < piece.Length; k += HostDecoder.Granule)
            {
                HostVectors.PrefetchStream(weights + k);
                even = AvxVnni.MultiplyWideningAndAdd(even, Vector256.Load(weights + k) ^ raise, Vector256.Load(activations + k));
                odd = AvxVnni.MultiplyWideningAndAdd(odd, Vector256.Load(weights + k + VectorDepth) ^ raise, Vector256.Load(activations + k + VectorDepth));
            }

            float factor = rightScales is null ? leftScales[i] : leftScales[i] * rightScales[piece.WeightScale];
            total = MathF.FusedMultiplyAdd(Vector256.Sum(even + odd) + raised[i], factor, total);
        }

        return total;
    }

    /// <summary>Eight rows of eight lanes; what was one row becomes one lane of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(int* rows, int* packed)
    {
        const int Stride = DepthPiece.MaxLength / LaneDepth;
        (Vector256<long> a0, Vector256<long> a1, Vector256<long> a2, Vector256<long> a3) = Interleave(rows, rows + Stride, rows + 2 * Stride, rows + 3 * Stride);
        rows += 4 * Stride;
        (Vector256<long> b0, Vector256<long> b1, Vector256<long> b2, Vector256<long> b3) = Interleave(rows, rows + Stride, rows + 2 * Stride, rows + 3 * Stride);
        Store(a0, b0, packed);
        Store(a1, b1, packed + Columns);
        Store(a2, b2, packed + 2 * Columns);
        Store(a3, b3, packed + 3 * Columns);
    }

    /// <summary>Lanes 0 and 4, 1 and 5, 2 and 6, 3 and 7 of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<long> Lane0, Vector256<long> Lane1, Vector256<long> Lane2, Vector256<long> Lane3) Interleave(
        int* row0, int* row1, int* row2, int* row3)
    {
        Vector256<int> r0 = Vector256.Load(row0), r1 = Vector256.Load(row1), r2 = Vector256.Load(row2), r3 = Vector256.Load(row3);
        Vector256<long> low01 = Avx2.UnpackLow(r0, r1).AsInt64(), low23 = Avx2.UnpackLow(r2, r3).AsInt64();
        Vector256<long> high01 = Avx2.UnpackHigh(r0, r1).AsInt64(), high23 = Avx2.UnpackHigh(r2, r3).AsInt64();
        return (Avx2.UnpackLow(low01, low23), Avx2.UnpackHigh(low01, low23), Avx2.UnpackLow(high01, high23), Avx2.UnpackHigh(high01, high23));
    }

    /// <summary>Stores a lane of eight rows, raised, and the lane four further on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<long> first, Vector256<long> second, int* packed)
    {
        Vector256<byte> raise = Vector256.Create((byte)Raise);
        (Avx2.Permute2x128(first, second, 0x20).AsByte() ^ raise).Store((byte*)packed);
        (Avx2.Permute2x128(first, second, 0x31).AsByte() ^ raise).Store((byte*)(packed + Lanes / 2 * Columns));
    }

    /// <summary>Four neighbours in depth in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Four(sbyte* activations) => Vector256.Create(*(int*)activations).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Promote(Vector256<int> sum0, Vector256<int> sum1, Vector256<int> sum2, float leftScale, float* rightScales, float* totals)
    {
        Vector256<float> scale = Vector256.Create(leftScale);
        Promote(sum0, scale, rightScales, totals);
        Promote(sum1, scale, rightScales + Lanes, totals + Lanes);
        Promote(sum2, scale, rightScales + 2 * Lanes, totals + 2 * Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Promote(Vector256<int> sum, Vector256<float> leftScale, float* rightScales, float* totals)
        => Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sum), leftScale * Vector256.Load(rightScales), Vector256.Load(totals)).Store(totals);
}
