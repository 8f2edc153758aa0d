using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Four neighbouring sums of a token to global memory, as the kernels for few tokens write their output.</summary>
internal static class OutputNeighbours
{
    /// <summary>Rounds and writes those that exist.</summary>
    /// <param name="sum">The four.</param>
    /// <param name="row">Global address of the token's output.</param>
    /// <param name="type">An <see cref="OutputType"/>.</param>
    /// <param name="column">Output column of the first.</param>
    /// <param name="count">How many exist.</param>
    /// <param name="whole">Not 0 writes all four at once: the address must be a multiple of their size.</param>
    public static void Store(Acc4 sum, long row, int type, int column, int count, int whole)
    {
        if (type == (int)OutputType.BFloat16)
            Epilogue.StoreBFloat16(sum, row + (long)column * 2, count, whole);
        else if (type == (int)OutputType.Half)
            Epilogue.StoreHalf(sum, row + (long)column * 2, count, whole);
        else
            Epilogue.StoreSingle(sum, row + (long)column * 4, count, whole);
    }
}
