using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>
/// A warp's product over one block of 128 along K of FP8 codes in shared memory (ldmatrix, mma.sync), and its promotion to the float32 accumulator
/// with the block's scales: one intrinsic, since the unscaled product needs registers of its own, which ILGPU would copy.
/// </summary>
/// <remarks>
/// Rows of 128 bytes lie in eight chunks of 16, chunk c of row r at place c ^ (r % 8) for activations and c ^ (r / 8 % 4 · 2 + r % 2) for
/// weights. Of each 32 weight rows, row 8i + 2j + b is column 2i + b of the tensor core's tile j, so that a lane's sums are eight neighbours of an
/// output row. The accumulator has, for each 16 activation rows, for each 32 weight rows, for j = 0 … 3, the four sums of a tile.
/// </remarks>
internal static partial class WarpTile
{
    /// <summary>Multiplies by FP8 tensor cores.</summary>
    /// <typeparam name="TAcc">16 floats for 16 × 32, 64 for 32 × 64.</typeparam>
    /// <param name="acc">The sums so far.</param>
    /// <param name="activations">Shared address of row lane % 16 of the warp's activations.</param>
    /// <param name="activationSwizzle">(lane / 16 ^ row % 8) · 16.</param>
    /// <param name="weights">Shared address of weight row 8 · (lane / 2 % 4) + 2 · (lane / 16) + lane % 2 of the warp's.</param>
    /// <param name="weightSwizzle">(lane / 8 % 2 ^ lane % 8) · 16.</param>
    /// <param name="rowScales">Shared address of the scale of row lane / 4; eight rows on, the next is 32 bytes on.</param>
    /// <param name="weightScale">Shared address of the weight block's scale.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyFloat8<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged;

    /// <summary>As <see cref="MultiplyFloat8"/> by float16 tensor cores, the codes expanded by integer arithmetic.</summary>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyFloat16<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged;
}
