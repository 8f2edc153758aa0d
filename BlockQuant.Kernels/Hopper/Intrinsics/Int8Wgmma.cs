using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The warpgroup's INT8 tensor-core product over one 128-wide block of K, its promotion to the float32 accumulator with the block's
/// scales, and the release of the stage it read. The integer sum of a block is exact, and so is its conversion to float32.
/// </summary>
internal static partial class Int8Wgmma
{
    /// <summary>As <see cref="Wgmma.MultiplyRows"/>, for INT8 operands.</summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor (low word) of the activation rows.</param>
    /// <param name="b">Descriptor (low word) of the weight rows.</param>
    /// <param name="release">Barrier that each lane arrives at when the stage is no longer read.</param>
    /// <param name="rowScales">Shared address of the scale of this lane's first row; its second row's is 32 bytes on.</param>
    /// <param name="weightScales">Shared address of the left block's scale; the right block's is 4 bytes on.</param>
    /// <param name="split">First column of the right block, a multiple of 16; a constant where it is the same for every tile.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyInt8Rows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged;

    /// <summary>As <see cref="Wgmma.MultiplyColumns"/>, for INT8 operands.</summary>
    /// <typeparam name="TAcc">The accumulator: N / 2 floats for N tokens.</typeparam>
    /// <param name="acc">The sum so far.</param>
    /// <param name="a">Descriptor (low word) of the weight rows.</param>
    /// <param name="b">Descriptor (low word) of the tokens.</param>
    /// <param name="release">Barrier that each lane arrives at when the stage is no longer read.</param>
    /// <param name="tokenScales">Shared address of the scale of this lane's first token, 2 · (lane % 4).</param>
    /// <param name="weightScale">Shared address of the weight block's scale.</param>
    [IntrinsicImplementation]
    public static partial TAcc MultiplyInt8Columns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged;
}
