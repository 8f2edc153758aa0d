using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <summary>
/// The warp's product of 16 rows with 8 columns (mma.sync), operands and sums in registers. Lane l holds of the sums, in this order: row l / 4,
/// columns 2 · (l % 4) and the next; row l / 4 + 8, the same columns.
/// </summary>
/// <remarks>
/// A fragment is 4 or 16 neighbours along K of one row, in one lane; the four lanes that share l / 4 hold four such stretches of the same row. Which
/// of the tensor core's places along K an element takes does not matter as long as it is the same in both operands, so that a lane reads its
/// stretch as it lies in memory.
/// </remarks>
internal static partial class TensorCore
{
    /// <summary>Adds a product in float16; FP8 codes become float16 first, which holds them exactly.</summary>
    /// <typeparam name="TA">The fragment of a row: FP8 codes in 1 or 4 registers, float16 in 2 or 8.</typeparam>
    /// <typeparam name="TB">The fragment of a column, as long.</typeparam>
    /// <param name="acc">The sums so far.</param>
    /// <param name="upper">Row l / 4.</param>
    /// <param name="lower">Row l / 4 + 8.</param>
    /// <param name="column">Column l / 4.</param>
    [IntrinsicImplementation]
    public static partial Acc4 MultiplyFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged;

    /// <summary>As <see cref="MultiplyFloat16"/> in bfloat16, which holds FP8 codes exactly too.</summary>
    [IntrinsicImplementation]
    public static partial Acc4 MultiplyBFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged;
}
