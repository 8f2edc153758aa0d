using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using BlockQuant.Kernels.Vector;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Arguments of <see cref="BatchedQuantizeKernel"/>.</summary>
internal struct BatchedQuantizeArguments
{
    /// <summary>The rows, codes and scales.</summary>
    public VectorArguments Matrix;

    /// <summary>The expert of each row [S].</summary>
    public ArrayView<int> Ids;

    public ArrayView<int> Status;
    public int Experts;
}

/// <summary>
/// <see cref="GroupQuantizeKernel"/> over at most 32 rows, which puts them in the order of <see cref="BatchedRows"/>. A block takes part of
/// one row: there are few, and time goes by latency. Also reports the first id that is no expert.
/// </summary>
/// <remarks>
/// The product starts as soon as this kernel has waited for those ahead, not when it has ended: what these have written, ids and weights
/// among it, the product may read at once; what this kernel writes it must wait for.
/// </remarks>
internal static class BatchedQuantizeKernel
{
    /// <summary>Lanes of a block, each of which takes eight columns.</summary>
    public const int Threads = 256;

    /// <summary>Columns of a block.</summary>
    public const int Columns = Threads * 8;

    public static void BFloat16(BatchedQuantizeArguments a) => Run<Vec4, BFloat16Vector>(a);

    public static void Float16(BatchedQuantizeArguments a) => Run<Vec4, Float16Vector>(a);

    public static void Float32(BatchedQuantizeArguments a) => Run<Vec8, Float32Vector>(a);

    /// <summary>Blocks of a launch.</summary>
    public static int Blocks(long rows, long columns) => checked((int)(rows * ((columns + Columns - 1) / Columns)));

    private static void Run<TBits, TElement>(BatchedQuantizeArguments a)
        where TBits : unmanaged
        where TElement : struct, IVectorElement<TBits>
    {
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        int rows = (int)a.Ids.Length, parts = ((int)a.Matrix.Columns + Columns - 1) / Columns, row = Grid.IdxX / parts;
        long wide = a.Matrix.Columns / 8, index = (long)(Grid.IdxX - row * parts) * Threads + Group.IdxX;

        // Lanes past the row's end read its last elements again, since all lanes of a warp take part in its exchanges.
        TBits bits = TElement.Load(a.Matrix.Source, row * wide + Math.Min(index, wide - 1));
        var order = BatchedRows.Of(a.Ids[Math.Min(Group.IdxX & 31, rows - 1)], rows, a.Experts);
        int place = Lanes.Broadcast(order.Place, row), wrong = order.FirstWrong();
        GroupQuantizeKernel.Quantize<TBits, TElement, Float8Vector, Float8Format>(
            a.Matrix, index < wide ? place * wide + index : a.Matrix.Length / 8, bits);
        if (Grid.IdxX == 0 && Group.IdxX == 0 && wrong < BatchedRows.MaxRows)
            StatusReport.Write(a.Status, (int)DeviceStatusCode.ExpertOutOfRange, wrong, a.Ids[wrong], a.Experts);
    }
}
