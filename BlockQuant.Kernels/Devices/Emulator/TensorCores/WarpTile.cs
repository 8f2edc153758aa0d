using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <content>The warp's last lane to come multiplies for all. Sums of a block are float32 whichever type the tensor cores multiply.</content>
internal static partial class WarpTile
{
    private const int Depth = 128;

    // Rows that ldmatrix reads for one 8 × 16 byte matrix, and the matrices it reads at once.
    private const int MatrixRows = 8;
    private const int Matrices = 4;
    private const int ChunkBytes = 16;
    private const int StepBytes = 32;

    public static partial TAcc MultiplyFloat8<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => Multiply(nameof(MultiplyFloat8), acc, (activations, activationSwizzle), (weights, weightSwizzle), rowScales, weightScale);

    public static partial TAcc MultiplyFloat16<TAcc>(
        TAcc acc, int activations, int activationSwizzle, int weights, int weightSwizzle, int rowScales, int weightScale)
        where TAcc : unmanaged
        => Multiply(nameof(MultiplyFloat16), acc, (activations, activationSwizzle), (weights, weightSwizzle), rowScales, weightScale);

    private static TAcc Multiply<TAcc>(
        string name, TAcc acc, (int Row, int Swizzle) activations, (int Row, int Swizzle) weights, int rowScales, int weightScale)
        where TAcc : unmanaged
        => EmulatedLane.AsWarp(name, new Share<TAcc>(acc, activations, weights, rowScales, weightScale), Add).Acc;

    private static void Add<TAcc>(Share<TAcc>[] warp)
        where TAcc : unmanaged
    {
        PendingCopies memory = PendingCopies.Own;
        int rowTiles = Fragment.Length<TAcc>() == 64 ? 2 : 1, columnTiles = 4 * rowTiles;
        var rows = new float[rowTiles * 16][];
        var columns = new float[columnTiles * 8][];
        for (int tile = 0; tile < rowTiles; tile++)
        {
            // Matrices 0 and 1 are the tile's rows, 2 and 3 the same rows a chunk on.
            ReadRows(memory, warp, static share => share.Activations, tile * 2048, static (matrix, row) => (matrix % 2 * 8 + row, matrix / 2))
                .CopyTo(rows, tile * 16);
        }
        for (int pair = 0; pair < columnTiles / 2; pair++)
        {
            // Matrices 0 and 1 are two chunks of a tile's columns, 2 and 3 those of the next tile; a pair of tiles is four rows on, two pairs are 32.
            ReadRows(
                memory, warp, static share => share.Weights, pair / 2 * 4096 + pair % 2 * 512, static (matrix, row) => (matrix / 2 * 8 + row, matrix % 2))
                .CopyTo(columns, pair * 16);
        }
        for (int lane = 0; lane < warp.Length; lane++)
        {
            ref Share<TAcc> share = ref warp[lane];
            Span<float> fields = Fragment.Of(ref share.Acc);
            float weightScale = memory.Load<float>(share.WeightScale);
            for (int i = 0; i < fields.Length; i++)
            {
                int tile = i / 4, eighth = tile / columnTiles * 2 + (i >> 1 & 1);
                float[] row = rows[eighth * 8 + lane / 4], column = columns[tile % columnTiles * 8 + lane % 4 * 2 + (i & 1)];
                fields[i] = MathF.FusedMultiplyAdd(Dot(row, column), memory.Load<float>(share.RowScales + eighth * 32) * weightScale, fields[i]);
            }
        }
    }

    // ldmatrix, four 8 × 8 matrices at a time: lane 8m + r gives the address of row r of matrix m.
    private static float[][] ReadRows<TAcc>(
        PendingCopies memory, Share<TAcc>[] warp, Func<Share<TAcc>, (int Row, int Swizzle)> operand, int offset, Func<int, int, (int Row, int Chunk)> place)
        where TAcc : unmanaged
    {
        var rows = new float[16][];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = new float[Depth];
        for (int lane = 0; lane < Matrices * MatrixRows; lane++)
        {
            (int address, int swizzle) = operand(warp[lane]);
            (int row, int chunk) = place(lane / MatrixRows, lane % MatrixRows);
            for (int at = 0; at < Depth; at += StepBytes)
            {
                Int128 codes = memory.Load<Int128>((swizzle ^ at) + address + offset);
                ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<Int128>(in codes));
                for (int i = 0; i < ChunkBytes; i++)
                    rows[row][at + chunk * ChunkBytes + i] = BlockProduct.Float8[bytes[i]];
            }
        }
        return rows;
    }

    private static float Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        for (int k = 0; k < Depth; k += Vector256<float>.Count)
            sum += Vector256.Create(left[k..]) * Vector256.Create(right[k..]);
        return Vector256.Sum(sum);
    }

    // What a lane brings, and in Acc what it gets.
    private struct Share<TAcc>(TAcc acc, (int Row, int Swizzle) activations, (int Row, int Swizzle) weights, int rowScales, int weightScale)
        where TAcc : unmanaged
    {
        public TAcc Acc = acc;
        public readonly (int Row, int Swizzle) Activations = activations, Weights = weights;
        public readonly int RowScales = rowScales, WeightScale = weightScale;
    }
}
