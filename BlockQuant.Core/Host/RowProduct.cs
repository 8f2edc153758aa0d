using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>
/// One decoded row of activations times one row of the weights, which are decoded in registers: the weights are read once, in one stream. The sum
/// has the order of <see cref="MicroKernel{TLanes}"/>.
/// </summary>
internal static unsafe class RowProduct<T, TSource, TLanes>
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>The sum over the pieces of their factors times their products.</summary>
    /// <param name="left">The row of activations.</param>
    /// <param name="leftScales">One scale a piece.</param>
    /// <param name="right">The row of the weights.</param>
    /// <param name="rightScales">The scales of its blocks, or null.</param>
    /// <param name="pieces">The pieces, of whole granules: a loop that took any length would spill its registers around the call for the rest.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float Multiply(float* left, float* leftScales, T* right, float* rightScales, DepthPiece[] pieces)
    {
        TLanes total = default;
        for (int i = 0; i < pieces.Length; i++)
        {
            ref readonly DepthPiece piece = ref pieces[i];
            float* activations = left + piece.Padded;
            T* weights = right + piece.K;
            TLanes sum = default;
            for (int k = 0; k < piece.Length; k += 4 * TLanes.Count)
            {
                sum = Step(activations + k, weights + k, 0, sum);
                sum = Step(activations + k, weights + k, 1, sum);
                sum = Step(activations + k, weights + k, 2, sum);
                sum = Step(activations + k, weights + k, 3, sum);
            }

            total = Promote(sum, leftScales[i], rightScales, piece.WeightScale, total);
        }

        return TLanes.SumSingle(total);
    }

    /// <summary>Multiplies one vector of the loop's four; a cache line of weights is asked for once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Step(float* activations, T* weights, int vector, TLanes sum)
    {
        int k = vector * TLanes.Count;
        if (k * sizeof(T) % LineStream.Line == 0)
        {
            HostVectors.PrefetchStream(weights + k);
        }

        return TLanes.MultiplyAddSingle(TLanes.Load(ref *(int*)(activations + k)), TSource.Load<TLanes>(ref weights[k]), sum);
    }

    /// <summary>Adds a piece's sum times its factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Promote(TLanes sum, float leftScale, float* rightScales, long block, TLanes total)
    {
        float factor = rightScales is null ? leftScale : leftScale * rightScales[block];
        return TLanes.MultiplyAddSingle(sum, TLanes.Create(BitConverter.SingleToInt32Bits(factor)), total);
    }
}
