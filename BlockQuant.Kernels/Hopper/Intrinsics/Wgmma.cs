using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The warpgroup's FP8 tensor-core product over one 128-wide block of K, its promotion to the float32 accumulator with the block's
/// scales, and the release of the stage it read. The three are one intrinsic because they must stay in this order and because the
/// unscaled product must keep to one set of registers: the tensor core's own accumulator has fewer mantissa bits than float32, so
/// it never runs across blocks.
/// </summary>
internal static class Wgmma
{
    /// <summary>The matrix descriptor of rows of 128 bytes, 128-byte swizzled, at a 1024-byte aligned shared address.</summary>
    public static long Descriptor(int address) => (long)((address & 0x3FFFF) >> 4) | (1L << 16) | (64L << 32) | (1L << 62);

    /// <summary>
    /// Adds the product of 64 activation rows and 2 × fields weight rows, each times its row's and its column's scale: columns below
    /// <paramref name="split"/> take the scale of the weight block on the left, the others that of the block on the right.
    /// </summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor of the activation rows.</param>
    /// <param name="b">Descriptor of the weight rows.</param>
    /// <param name="release">Barrier that each warp arrives at when the stage is no longer read.</param>
    /// <param name="rowScales">Shared address of the scale of this lane's first row; its second row's is 32 bytes on.</param>
    /// <param name="weightScales">Shared address of the left block's scale; the right block's is 4 bytes on.</param>
    /// <param name="split">First column of the right block, a multiple of 16.</param>
    [IntrinsicImplementation]
    public static TAcc MultiplyRows<TAcc>(TAcc acc, long a, long b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged => throw new NotSupportedException();

    /// <summary>
    /// As <see cref="MultiplyRows"/> for 256 weight rows, in two halves of one weight block each. The activation rows are read into
    /// registers once and serve both halves, which takes a sixth off the shared-memory traffic that bounds this tile.
    /// </summary>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Shared address of this lane's row for ldmatrix: row lane % 16 of its warp's 16.</param>
    /// <param name="swizzle">(lane / 16 ^ row % 8) · 16.</param>
    /// <param name="b">Descriptor of the weight rows.</param>
    /// <param name="release">Barrier that each warp arrives at when the stage is no longer read.</param>
    /// <param name="rowScales">As for <see cref="MultiplyRows"/>.</param>
    /// <param name="weightScales">As for <see cref="MultiplyRows"/>.</param>
    [IntrinsicImplementation]
    public static Acc128 MultiplyRowsWide(Acc128 acc, int a, int swizzle, long b, int release, int rowScales, int weightScales) =>
        throw new NotSupportedException();

    /// <summary>
    /// The operands swapped, for few tokens: adds the product of 64 weight rows and 2 × fields tokens, times the weight block's
    /// scale and each token's.
    /// </summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats for N tokens.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor of the weight rows.</param>
    /// <param name="b">Descriptor of the tokens.</param>
    /// <param name="release">Barrier that each warp arrives at when the stage is no longer read.</param>
    /// <param name="tokenScales">Shared address of the scale of this lane's first token, 2 · (lane % 4).</param>
    /// <param name="weightScale">Shared address of the weight block's scale.</param>
    [IntrinsicImplementation]
    public static TAcc MultiplyColumns<TAcc>(TAcc acc, long a, long b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged => throw new NotSupportedException();
}
