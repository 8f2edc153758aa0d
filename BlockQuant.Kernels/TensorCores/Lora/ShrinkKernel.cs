using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>
/// output[s, t] = scaling · x[t] · A_s[adapter of t]ᵀ. A warp multiplies 16 tokens with 16 rows of A over blocks of 128 along K, which it reads
/// straight into the registers that the tensor cores take, so that all of its loads are on their way at once. The warps of a cluster of groups
/// share the depth and add their sums in a fixed order: first a group's, then the cluster's.
/// </summary>
/// <remarks>Method: that of <see cref="Portable.LoraShrinkKernel"/>, with the same promotion at every scale block.</remarks>
internal static class ShrinkKernel
{
    /// <summary>Warps of a group.</summary>
    public const int Warps = 8;

    /// <summary>Rows of A that a warp multiplies.</summary>
    public const int TileN = 16;

    /// <summary>Dynamic shared memory of a launch: every warp's sums.</summary>
    public const int SharedBytes = Warps * WarpBytes;

    // Four floats beyond the row keep the lanes' writes on different banks.
    private const int Pitch = (TileN + 4) * 4;
    private const int WarpBytes = TokenRows.Tile * Pitch;

    public static void Run<TX, TXFragment, TW, TWFragment, TProduct>(LoraCall a)
        where TX : unmanaged
        where TXFragment : struct, IFragment<TX>
        where TW : unmanaged
        where TWFragment : struct, IFragment<TW>
        where TProduct : struct, IProductType
    {
        int rowTile = Grid.IdxX >> a.SplitShift, rank = Grid.IdxX - (rowTile << a.SplitShift);
        int lane = Group.IdxX & 31, warp = Warpgroup.Warp();
        int depthWarp = warp >> a.ColumnWarpShift, depthWarps = Warps >> a.ColumnWarpShift;
        int columnWarp = warp - (depthWarp << a.ColumnWarpShift);
        int group0 = Grid.IdxY * TileN << a.ColumnWarpShift, column0 = group0 + columnWarp * TileN;
        int begin = (rank * depthWarps + depthWarp) * 128, step = depthWarps * 128 << a.SplitShift;
        if (a.Early != 0)
        {
            TokenRows expected = TokenRows.Find(a, rowTile);
            if (expected.Adapter >= 0)
            {
                Prefetch<TW, TWFragment>(SliceParameter.Read(Grid.IdxZ), expected.Adapter, column0, begin, lane);
            }
        }

        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        TokenRows rows = TokenRows.Find(a, rowTile);
        if (rows.Count <= 0)
        {
            return;
        }

        var left = default(Acc4);
        var right = default(Acc4);
        if (rows.Adapter >= 0)
        {
            SliceParameter weights = SliceParameter.Read(Grid.IdxZ);
            // Weights depend on the adapter alone: they are on their way before the tokens are known.
            Prefetch<TW, TWFragment>(weights, rows.Adapter, column0, begin, lane);
            int row = lane >> 2, quarter = lane & 3;
            ShrinkRows rowsAt = ShrinkRows.Of(a, weights, rows, column0 + row, column0 + quarter * 2, row);
            for (int k = begin; k < weights.Columns; k += step)
            {
                ShrinkBlock<TX, TW> block = ShrinkBlock<TX, TW>.Load<TXFragment, TWFragment>(a, weights, rowsAt, k + quarter * 16);
                Acc4 product = TProduct.Multiply(default, block.Upper0, block.Lower0, block.Left0);
                product = TProduct.Multiply(product, block.Upper1, block.Lower1, block.Left1);
                left = Sums.Promote(left, product, block.UpperScale, block.LowerScale, block.Scale0, block.Scale1);
                product = TProduct.Multiply(default, block.Upper0, block.Lower0, block.Right0);
                product = TProduct.Multiply(product, block.Upper1, block.Lower1, block.Right1);
                right = Sums.Promote(right, product, block.UpperScale, block.LowerScale, block.Scale8, block.Scale9);
            }
        }

        int shared = Shared.Base();
        int tile = shared + (columnWarp * depthWarps + depthWarp) * WarpBytes;
        Sums.Share(left, tile + (lane >> 2) * Pitch + (lane & 3) * 8, Pitch);
        Sums.Share(right, tile + (lane >> 2) * Pitch + (lane & 3) * 8 + 32, Pitch);
        Warpgroup.Sync(0, Warps * 32);

        // A lane adds four neighbours of the group's warps, then of the cluster's groups.
        int parts = TokenRows.Tile * TileN / 4 << a.ColumnWarpShift;
        int own = Group.IdxX;
        if (own < parts)
        {
            int sum = Part(shared, own, depthWarps);
            SharedSums.Store4(sum, SharedSums.Add(sum, WarpBytes, depthWarps));
        }

        Cluster.Sync();
        int part = (own << a.SplitShift) + rank;
        if (part < parts)
        {
            Acc4 sum = Sums.Scale(Cluster.Sum(Part(shared, part, depthWarps)), a.Scaling);
            int token = rows.Token(a, part >> 2 & 15), column = group0 + (part >> 6) * TileN + (part & 3) * 4;
            int count = ~token >> 31 & a.Rank - column, vector = a.Vector & 3 - count >> 31;
            long target = a.Output + ((a.FirstSlice + Grid.IdxZ) * (long)a.Tokens + token) * a.OutputPitch;
            if (a.OutputType == (int)OutputType.BFloat16)
            {
                Epilogue.StoreBFloat16(sum, target + column * 2L, count, vector);
            }
            else if (a.OutputType == (int)OutputType.Half)
            {
                Epilogue.StoreHalf(sum, target + column * 2L, count, vector);
            }
            else
            {
                Epilogue.StoreSingle(sum, target + column * 4L, count, vector);
            }
        }

        // No group leaves while another still reads its sums.
        Cluster.Sync();
    }

    // Brings the warp's first block of weights to the cache: each lane half a row of 128.
    private static void Prefetch<TW, TWFragment>(SliceParameter weights, int adapter, int column0, int k, int lane)
        where TW : unmanaged
        where TWFragment : struct, IFragment<TW>
    {
        int row = column0 + (lane >> 1), column = k + (lane & 1) * 64;
        long address = weights.Values + adapter * weights.AdapterPitch + row * weights.RowPitch + (long)column * TWFragment.ElementBytes;
        int exists = (row - weights.Rows & column - weights.Columns) >> 31;
        GlobalMemory.Prefetch(address, exists);
        if (TWFragment.ElementBytes > 1)
        {
            GlobalMemory.Prefetch(address + 64, exists & column + 32 - weights.Columns >> 31);
        }
    }

    // Where four neighbours of the group's tile lie in the sums of the first of the warps that share their depth: 64 such parts to a warp's tile.
    private static int Part(int shared, int part, int depthWarps)
        => shared + (part >> 6) * depthWarps * WarpBytes + (part >> 2 & 15) * Pitch + (part & 3) * 16;
}
