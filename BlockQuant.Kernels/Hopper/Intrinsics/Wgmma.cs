using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The warpgroup's FP8 tensor-core product over one 128-wide block of K, its promotion to the float32 accumulator with the block's
/// scales, and the release of the stage it read. The three are one intrinsic because they must stay in this order and because the
/// unscaled product must keep to one set of registers: the tensor core's own accumulator has fewer mantissa bits than float32, so
/// it never runs across blocks.
/// </summary>
internal static partial class Wgmma
{
    /// <summary>The high word of every matrix descriptor: 1024 bytes from one 8-row group to the next, 128-byte swizzle.</summary>
    public const int DescriptorHigh = 0x40000040;

    /// <summary>
    /// The low word of the matrix descriptor of rows of 128 bytes, 128-byte swizzled, at a 1024-byte aligned shared address. A stage
    /// further on, it is larger by the stage's bytes / 16.
    /// </summary>
    public static int Descriptor(int address) => (address & 0x3FFFF) >> 4 | 1 << 16;

    /// <summary>
    /// Adds the product of 64 activation rows and 2 × fields weight rows, each times its row's and its column's scale: columns below
    /// <paramref name="split"/> take the scale of the weight block on the left, the others that of the block on the right.
    /// </summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor (low word) of the activation rows.</param>
    /// <param name="b">Descriptor (low word) of the weight rows.</param>
    /// <param name="release">Barrier that each lane arrives at when the stage is no longer read.</param>
    /// <param name="rowScales">Shared address of the scale of this lane's first row; its second row is eight further on.</param>
    /// <param name="weightScales">Shared address of the left block's scale.</param>
    /// <param name="scalePitch">Bytes from a row's scale to the next row's, and from the left block's to the right one's; a constant.</param>
    /// <param name="split">First column of the right block, a multiple of 16; a constant where it is the same for every tile.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyRows<TAcc>(
        TAcc acc, int a, int b, int release, int rowScales, int weightScales, int scalePitch, int split)
        where TAcc : unmanaged;

    /// <summary><see cref="MultiplyRows"/> with scales that are in registers.</summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor (low word) of the activation rows.</param>
    /// <param name="b">Descriptor (low word) of the weight rows.</param>
    /// <param name="release">Barrier that each warp arrives at when the stage is no longer read.</param>
    /// <param name="upper">The scale of this lane's first row.</param>
    /// <param name="lower">The scale of this lane's second row, eight further on.</param>
    /// <param name="left">The left block's scale.</param>
    /// <param name="right">The right block's scale.</param>
    /// <param name="split">First column of the right block, a multiple of 16; a constant where it is the same for every tile.</param>
    /// <param name="peer">A block of the cluster at whose barrier each warp arrives likewise, or the constant -1.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyScaledRows<TAcc>(
        TAcc acc, int a, int b, int release, float upper, float lower, float left, float right, int split, int peer)
        where TAcc : unmanaged;

    /// <summary>
    /// Two products of one stage, one behind the other: adds that of 64 activation rows and 128 weight rows to the accumulator's first 64
    /// fields, and that of 64 other activation rows and as many weight rows as the fields left over hold to those. All weight rows lie in
    /// one weight block.
    /// </summary>
    /// <typeparam name="TAcc">The accumulator: 64 floats and N / 2 more.</typeparam>
    /// <param name="acc">The sums so far.</param>
    /// <param name="a">Descriptor (low word) of the first activation rows.</param>
    /// <param name="b">Descriptor (low word) of the first weight rows.</param>
    /// <param name="nextA">Descriptor (low word) of the other activation rows.</param>
    /// <param name="nextB">Descriptor (low word) of the other weight rows.</param>
    /// <param name="release">Barrier that each lane arrives at when the stage is no longer read.</param>
    /// <param name="rowScales">Shared address of the scale of this lane's first row; its second row is eight further on.</param>
    /// <param name="nextRowScales">The same of the other rows.</param>
    /// <param name="weightScale">Shared address of the weight block's scale.</param>
    /// <param name="scalePitch">Bytes from a row's scale to the next row's; a constant.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyRowPairs<TAcc>(
        TAcc acc, int a, int b, int nextA, int nextB, int release, int rowScales, int nextRowScales, int weightScale, int scalePitch)
        where TAcc : unmanaged;

    /// <summary>
    /// The operands swapped, for few tokens: adds the product of 64 weight rows and 2 × fields tokens, times the weight block's
    /// scale and each token's.
    /// </summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats for N tokens.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor (low word) of the weight rows.</param>
    /// <param name="b">Descriptor (low word) of the tokens.</param>
    /// <param name="release">Barrier that each lane arrives at when the stage is no longer read.</param>
    /// <param name="tokenScales">Shared address of the scale of this lane's first token, 2 · (lane % 4).</param>
    /// <param name="weightScale">Shared address of the weight block's scale.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyColumns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged;
}
