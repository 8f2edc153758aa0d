using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores.Dense;

/// <summary>
/// The block-scaled FP8 product on GPUs before Hopper. Four warps share a tile of 128 weight rows; blocks of 128 along K come through a ring of three
/// stages in shared memory. The tensor cores' sum over one block is promoted to float32 with the block's scales.
/// </summary>
/// <remarks>Method: that of <see cref="Portable.BlockScaledMatmulKernel"/>; tiles of 64 rows as 2 × 2 warps, of 16 rows as four side by side.</remarks>
internal static class DenseKernel
{
    /// <summary>Threads of a group.</summary>
    public const int Threads = 128;

    /// <summary>Weight rows of a tile: those of one scale block.</summary>
    public const int TileN = 128;

    private const int Stages = 3;

    public static void Tile64<TProduct>(DenseCall a)
        where TProduct : struct, IDenseProduct
        => Body<Acc64, TileOutput64, TProduct>(a, 64);

    public static void Tile16<TProduct>(DenseCall a)
        where TProduct : struct, IDenseProduct
        => Body<Acc16, TileOutput16, TProduct>(a, 16);

    /// <summary>Dynamic shared memory of a launch: in each stage the codes, then a scale for each row and the weight block's.</summary>
    public static int SharedBytes(int tileM) => Stages * StageBytes(tileM);

    // Every thread has a place for a scale, though only one more than there are rows brings one.
    private static int StageBytes(int tileM) => ScaleOffset(tileM) + Threads * 4;

    private static int ScaleOffset(int tileM) => (tileM + TileN) * 128;

    private static void Body<TAcc, TOutput, TProduct>(DenseCall a, int tileM)
        where TAcc : unmanaged
        where TOutput : struct, ITileOutput<TAcc>
        where TProduct : struct, IDenseProduct
    {
        int shared = Shared.Base(), blocks = a.K + 127 >> 7, m0 = Grid.IdxX * tileM, n0 = Grid.IdxY * TileN;
        int lane = Group.IdxX & 31, warp = Warpgroup.Warp();

        // The warp's part of the tile: 32 rows by 64 columns, or all 16 rows by 32.
        int rowWarp = tileM == 64 ? warp >> 1 : 0, columnWarp = tileM == 64 ? warp & 1 : warp;
        int warpRow = rowWarp * 32, warpColumn = tileM == 64 ? columnWarp * 64 : columnWarp * 32;
        int activations = Pin.Int32((warpRow + (lane & 15)) * 128), activationSwizzle = Pin.Int32((lane >> 4 ^ lane & 7) << 4);
        int weightRow = warpColumn + (lane >> 1 & 3) * 8 + (lane >> 4) * 2 + (lane & 1);
        int weights = Pin.Int32((tileM + weightRow) * 128), weightSwizzle = Pin.Int32((lane >> 3 & 1 ^ lane & 7) << 4);
        int rowScales = Pin.Int32(ScaleOffset(tileM) + (warpRow + (lane >> 2)) * 4);
        Load(a, tileM, shared, 0, blocks, m0, n0);
        Load(a, tileM, shared + StageBytes(tileM), 1, blocks, m0, n0);
        int stage = shared, next = shared + 2 * StageBytes(tileM), end = shared + Stages * StageBytes(tileM);
        var acc = default(TAcc);
        for (int block = 0; block < blocks; block++)
        {
            AsyncTile.WaitForAllButOne();
            Warpgroup.Sync(0, Threads);

            // All warps have left the stage before this one, so its memory takes the block after next.
            Load(a, tileM, next, block + 2, blocks, m0, n0);
            acc = TProduct.Multiply(
                acc, stage + activations, activationSwizzle, stage + weights, weightSwizzle, stage + rowScales, stage + ScaleOffset(tileM) + tileM * 4);
            stage += StageBytes(tileM);
            stage = stage == end ? shared : stage;
            next += StageBytes(tileM);
            next = next == end ? shared : next;
        }

        TOutput.Store(a, acc, m0 + warpRow + (lane >> 2), n0 + warpColumn + (lane & 3) * 8);
    }

    // One block of K: each thread a sixteenth of a row at a time. Rows and columns beyond the matrices become zeros.
    private static void Load(DenseCall a, int tileM, int stage, int block, int blocks, int m0, int n0)
    {
        int chunk = Group.IdxX & 7, column = block * 128 + chunk * 16, exists = column - a.K >> 31;
        for (int row = Group.IdxX >> 3; row < tileM; row += Threads / 8)
        {
            AsyncTile.Copy16(
                stage + row * 128 + ((chunk ^ row & 7) << 4), a.Activations + (m0 + row) * (long)a.K + column, exists & m0 + row - a.M >> 31);
        }

        for (int row = Group.IdxX >> 3; row < TileN; row += Threads / 8)
        {
            int place = chunk ^ (row >> 3 & 3) * 2 + (row & 1);
            AsyncTile.Copy16(
                stage + (tileM + row) * 128 + (place << 4), a.Weights + (n0 + row) * (long)a.K + column, exists & n0 + row - a.N >> 31);
        }

        // A lane copies a row's scale, and the one behind the last row the weight block's.
        int scale = Group.IdxX, inside = block - blocks >> 31;
        int isRow = scale - tileM >> 31, isWeight = ~(scale - tileM >> 31) & scale - tileM - 1 >> 31;
        int target = stage + ScaleOffset(tileM) + scale * 4;
        long rowScale = a.ActivationScales + ((m0 + scale) * (long)blocks + block) * 4, weightScale = a.WeightScales + (Grid.IdxY * (long)blocks + block) * 4;
        AsyncTile.Copy4(
            target, (rowScale & isRow) | (weightScale & ~(long)isRow), inside & (isRow & m0 + scale - a.M >> 31 | isWeight));
        AsyncTile.Commit();
    }
}
