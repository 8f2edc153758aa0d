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
        int shared = PrefillKernel.Enter(tileN, false, false, rows);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                PrefillKernel.LoadOperands(tileN, false, false, shared, weightScales, rows, columns, blocks, groupM);
            else if (loader == 1)
                PrefillKernel.LoadScales(tileN, false, shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            return;
        }
        Warpgroup.TakeRegisters(240);
        int stages = PrefillKernel.Stages(tileN), stageBytes = PrefillKernel.StageBytes(tileN);
        int full = shared + PrefillKernel.BarrierOffset(tileN), empty = full + PrefillKernel.EmptyOffset;
        int tilesM = Pin.Int32((rows + PrefillKernel.TileM - 1) / PrefillKernel.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16), laneColumn = Pin.Int32((lane & 3) * 2);
        int staging = Pin.Int32(shared + PrefillKernel.StagingOffset(tileN) + warp * OutputTile.StagingBytes);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + PrefillKernel.TileM * 128));
        int scales = Pin.Int32(shared + PrefillKernel.ScaleOffset(tileN)), warpScale = Pin.Int32((warpRow + (lane >> 2)) * 4);
        int stage = 0, phase = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillKernel.Locate(tile, tilesM, tilesN, groupM);
            int m0 = Pin.Int32(PrefillKernel.FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
            int split = tileN == 192 ? Pin.Int32(128 - (n0 & 127)) : 128;
            var acc = default(TAcc);
            for (int block = 0; block < blocks; block++)
            {
                MBarrier.Wait(full + stage * 8, phase);
                int slot = scales + stage * PrefillKernel.ScaleBytes;
                acc = Int8Wgmma.MultiplyInt8Rows(
                    acc, operandA + stage * (stageBytes / 16), operandB + stage * (stageBytes / 16), empty + stage * 8, slot + warpScale,
                    slot + PrefillKernel.WeightScaleOffset, split);
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
            if (bias != 0)
                acc = QuantizingEpilogue.AddBias(acc, bias + (long)(n0 + laneColumn) * 4, columns - n0 - laneColumn);
            if (quantize)
                QuantizedOutputTile.Store(acc, tileN, staging, output, outputPitch, outputScales, form, vector, m0, n0, rows, columns);
            else
                OutputTile.Store(acc, tileN, staging, output, outputPitch, form, vector, m0, n0, rows, columns, integers: true);
        }
    }
}
