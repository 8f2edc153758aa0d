using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// C[m, n] = Σ over blocks of K of scaleA[m, block] · scaleB[n / 128, block] · Σ A[m, k] · B[n, k] + bias[n] of INT8 codes: the ring
/// and the tiles of <see cref="PrefillRing"/> around the INT8 tensor-core product. The result goes out rounded to a float type, or,
/// from tiles that hold whole 1×128 groups, as INT8 codes and scales.
/// </summary>
/// <remarks>
/// Method: the block-wise INT8 kernels' <c>int8_gemm</c>, <c>int8_addmm</c>, <c>int8_gemm_quant</c> and <c>int8_addmm_quant</c>.
/// </remarks>
internal static class Int8PrefillKernel
{
    // The scales of a stage: one for each row, then those of the two weight blocks that a tile's columns lie in.
    private const int WeightScaleOffset = PrefillRing.TileM * 4;
    private const int ScaleBytes = WeightScaleOffset + 16;

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

    /// <summary>Dynamic shared memory of a launch.</summary>
    public static int SharedBytes(int tileN) => PrefillRing.ScaleOffset(tileN) + PrefillRing.Stages(tileN) * ScaleBytes;

    // The scales of every stage, by copies of 4 bytes, which serve either layout of the activation scales.
    private static void LoadScales(
        int tileN, int shared, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows, int columns, int blocks, int groupM)
    {
        int stages = PrefillRing.Stages(tileN);
        int full = shared + PrefillRing.BarrierOffset(tileN), empty = full + PrefillRing.EmptyOffset;
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int lane = Pin.Int32(Group.IdxX & 31), two = Pin.Int32(lane < (128 % tileN == 0 ? 1 : 2) ? 1 : 0);
        int scales = Pin.Int32(shared + PrefillRing.ScaleOffset(tileN) + lane * 4);
        int stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int m0 = PrefillRing.FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            // Rows past the end take the last row's scale: their products are 0 and never stored.
            int last = Pin.Int32(rows - 1 - m0);
            long first = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - first);
            long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - first);
            long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - first);
            long weight = Pin.Int64(weightScales + (long)Math.Min((n0 >> 7) + (lane & 1), lastBlockRow) * blocks * 4);
            for (int block = 0; block < blocks; block++)
            {
                int target = scales + stage * ScaleBytes;
                MBarrier.Wait(empty + stage * 8, phase);
                AsyncCopy.Copy4(target, first, 1);
                AsyncCopy.Copy4(target + 128, first + second, 1);
                AsyncCopy.Copy4(target + 256, first + third, 1);
                AsyncCopy.Copy4(target + 384, first + fourth, 1);
                AsyncCopy.Copy4(target + WeightScaleOffset, weight, two);
                MBarrier.ArriveAfterCopies(full + stage * 8);
                first += blockPitch;
                weight += 4;
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
        }
    }

    // The form is an OutputType, or for quantized output not 0 where it is rounded to nearest.
    private static void Body<TAcc>(
        int tileN, bool quantize, long output, long outputPitch, int form, int vector, long rowScales, long rowPitch, long blockPitch,
        long weightScales, int rows, int columns, int depth, int groupM, long bias, long outputScales)
        where TAcc : unmanaged
    {
        int shared = PrefillRing.Enter(tileN, false, false, rows);
        int blocks = Pin.Int32((depth + 127) >> 7);
        int group = Warpgroup.Index();
        if (group == 0)
        {
            Warpgroup.ReleaseRegisters(24);
            int loader = Warpgroup.Warp();
            if (loader == 0)
                PrefillRing.LoadOperands(tileN, false, false, shared, weightScales, rows, columns, blocks, groupM);
            else if (loader == 1)
                LoadScales(tileN, shared, rowScales, rowPitch, blockPitch, weightScales, rows, columns, blocks, groupM);
            return;
        }
        Warpgroup.TakeRegisters(240);
        int stages = PrefillRing.Stages(tileN), stageBytes = PrefillRing.StageBytes(tileN);
        int full = shared + PrefillRing.BarrierOffset(tileN), empty = full + PrefillRing.EmptyOffset;
        int tilesM = Pin.Int32((rows + PrefillRing.TileM - 1) / PrefillRing.TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int lane = Pin.Int32(Group.IdxX & 31), warp = Pin.Int32((Group.IdxX >> 5) - 4);
        int warpRow = Pin.Int32(warp * 16), laneColumn = Pin.Int32((lane & 3) * 2);
        int staging = Pin.Int32(shared + PrefillRing.StagingOffset(tileN) + warp * OutputTile.StagingBytes);
        int operandA = Pin.Int32(Wgmma.Descriptor(shared + (group - 1) * 8192));
        int operandB = Pin.Int32(Wgmma.Descriptor(shared + PrefillRing.TileM * 128));
        int scales = Pin.Int32(shared + PrefillRing.ScaleOffset(tileN)), warpScale = Pin.Int32((warpRow + (lane >> 2)) * 4);
        int stage = 0, phase = 0;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = PrefillRing.Locate(tile, tilesM, tilesN, groupM);
            int m0 = Pin.Int32(PrefillRing.FirstRow(mn, rows) + warpRow), n0 = Pin.Int32((mn >> 16) * tileN);
            int split = tileN == 192 ? Pin.Int32(128 - (n0 & 127)) : 128;
            var acc = default(TAcc);
            for (int block = 0; block < blocks; block++)
            {
                MBarrier.Wait(full + stage * 8, phase);
                int slot = scales + stage * ScaleBytes;
                acc = Int8Wgmma.MultiplyInt8Rows(
                    acc, operandA + stage * (stageBytes / 16), operandB + stage * (stageBytes / 16), empty + stage * 8, slot + warpScale,
                    slot + WeightScaleOffset, split);
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
