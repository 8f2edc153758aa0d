using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ over blocks of K of scaleA[m, block] · scaleB[n / 128, block] · Σ A[m, k] · B[n, k] + bias[n] of INT8 codes: the ring
/// and the tiles of <see cref="PrefillKernel"/> around the INT8 tensor-core product. The result goes out rounded to a float type, or,
/// from tiles that hold whole 1×128 groups, as INT8 codes and scales.
/// </summary>
/// <remarks>
/// Method: the block-wise INT8 kernels' <c>int8_gemm</c>, <c>int8_addmm</c>, <c>int8_gemm_quant</c> and <c>int8_addmm_quant</c>.
/// </remarks>
internal static class Int8PrefillKernel
{
    public static void Tile128(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int groupM, long bias, long outputScales) =>
        Body<Acc64>(
            128, false, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM,
            bias, outputScales);

    public static void Tile192(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int groupM, long bias, long outputScales) =>
        Body<Acc96>(
            192, false, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM,
            bias, outputScales);

    public static void Tile256(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int groupM, long bias, long outputScales) =>
        Body<Acc128>(
            256, false, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM,
            bias, outputScales);

    public static void Quantize128(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int groupM, long bias, long outputScales) =>
        Body<Acc64>(
            128, true, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM,
            bias, outputScales);

    public static void Quantize256(
        long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows,
        int columns, int depth, int groupM, long bias, long outputScales) =>
        Body<Acc128>(
            256, true, output, outputPitch, form, vector, rowScales, rowPitch, blockPitch, weightScales, rows, columns, depth, groupM,
            bias, outputScales);

    // The form is an OutputType, or for quantized output not 0 where it is rounded to nearest.
    private static void Body<TAcc>(
        int tileN, bool quantize, long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int groupM, long bias, long outputScales)
        where TAcc : unmanaged
    {
        int shared = PrefillKernel.Enter(tileN, rows);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            PrefillKernel.Load(
                Warpgroup.Warp(), tileN, shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            return;
        }
        Warpgroup.TakeRegisters(240);
        int barriers = Pin.Int32(shared + PrefillKernel.BarrierOffset(tileN));
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), turns = Pin.Int32(PrefillRing.Turns(tileN, blocks));
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16), laneColumn = Pin.Int32((lane & 3) * 2);
        int staging = Pin.Int32(shared + PrefillKernel.StagingOffset(tileN) + warp * OutputTile.StagingBytes);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + PrefillRing.TileM * 128));
        int scales = shared + PrefillKernel.ScaleOffset(tileN);
        int laneScales = PrefillRing.LaneScales(scales, warpRow, lane), blockScales = PrefillRing.WeightScales(scales);
        int turn = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int m0 = Pin.Int32(PrefillRing.FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
            int split = tileN == 192 ? Pin.Int32(128 - (n0 & 127)) : 128;
            var acc = PrefillRing.Multiply(
                Int8Wgmma.BeginRows<TAcc>(), tileN, true, operandA, operandB, laneScales, blockScales, barriers, blocks, turn, split);
            PrefillRing.PassOver(tileN, barriers, blocks, turn);
            turn += turns;
            // Without a branch, behind which the sums would have other registers. Where there is no bias no column takes one.
            acc = QuantizingEpilogue.AddBias(acc, bias + (long)(n0 + laneColumn) * 4, bias != 0 ? columns - n0 - laneColumn : 0);
            if (quantize)
                QuantizedOutputTile.Store(acc, tileN, staging, output, outputPitch, outputScales, form, vector, m0, n0, rows, columns);
            else
                OutputTile.Store(acc, tileN, staging, output, outputPitch, form, vector, m0, n0, rows, columns);
        }
    }
}
