using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// What feeds the prefill kernels' two warpgroups, and their loop over K. One warp brings the operands through the copy engine, a stage
/// for each 128-wide block of K, and another the scales. Where a tile is wide enough to be bound by the tensor cores, it begins at the
/// first of four stages, and four blocks are worked off without a branch between them: addresses are known when the kernel is compiled,
/// a stage's arrival is asked for before the last is promoted, and so the next product starts that much sooner (4 % of a multiprocessor's
/// cycles).
/// </summary>
internal static class PrefillRing
{
    /// <summary>Rows of a tile.</summary>
    public const int TileM = 128;

    /// <summary>Shared memory of the ring's barriers.</summary>
    public const int BarrierBytes = 256;

    private const int EmptyOffset = 128;

    // Blocks of K that are worked off without a branch, and as many stages.
    private const int Quad = 4;

    // The scales of a stage: one for each row, then those of the two weight blocks that a tile's columns lie in.
    private const int WeightScaleOffset = TileM * 4;
    private const int StageScaleBytes = WeightScaleOffset + 16;

    /// <summary>Stages of the ring: of narrow tiles, which wait for memory, as many as fit beside the staged output.</summary>
    public static int Stages(int tileN) => tileN == 32 ? 10 : tileN == 64 ? 7 : Quad;

    /// <summary>Shared memory of a stage.</summary>
    public static int StageBytes(int tileN) => (TileM + tileN) * 128;

    /// <summary>Shared memory of the scales.</summary>
    public static int ScaleBytes(int tileN) => Stages(tileN) * StageScaleBytes;

    /// <summary>
    /// Rows of the activations' boxes: not more than there are. The copy engine takes longer over a row that does not exist than over
    /// one that does, and narrow tiles wait for it.
    /// </summary>
    public static int BoxRows(int rows) => Math.Min(TileM, (rows + 7) & ~7);

    /// <summary>Stages that a tile takes in turn: those of its blocks, filled up so that the next tile begins where it has to.</summary>
    public static int Turns(int tileN, int blocks) => Stages(tileN) == Quad ? (blocks + Quad - 1) & ~(Quad - 1) : blocks;

    /// <summary>Whether a tile's columns, or its halves of 128, each lie in one weight block.</summary>
    public static bool IsWithinBlocks(int tileN) => tileN % 128 == 0 || 128 % tileN == 0;

    /// <summary>m | n &lt;&lt; 16 of the t-th tile: m runs fastest inside a band of groupM row tiles, so that the tiles in flight share operands in L2.</summary>
    public static int Locate(int tile, int tilesM, int tilesN, int groupM)
    {
        int band = Pin.Int32(tile / (groupM * tilesN));
        int rest = tile - band * groupM * tilesN;
        int height = Math.Min(groupM, tilesM - band * groupM);
        int n = Pin.Int32(rest / height);
        return Pin.Int32(band * groupM + rest - n * height | n << 16);
    }

    /// <summary>
    /// The first row of a tile. The last tile of more than 128 rows ends with them: rows that two tiles have come out the same from
    /// both, and absent rows, which the copy engine takes longer over, are not asked for.
    /// </summary>
    public static int FirstRow(int mn, int rows) => Pin.Int32(Math.Min((mn & 0xffff) * TileM, Math.Max(rows - TileM, 0)));

    /// <summary>Prepares the barriers; one thread, which publishes them afterwards.</summary>
    public static void Initialize(int tileN, int barriers) => StageBarriers.Initialize(Stages(tileN), barriers, 33, barriers + EmptyOffset);

    /// <summary>Zeroes the rows that no copy brings and that are multiplied all the same; every thread.</summary>
    public static void ClearAbsentRows(int tileN, int shared, int rows, int threads)
    {
        for (int chunk = BoxRows(rows) * 8 + Group.IdxX; chunk < TileM * 8; chunk += threads)
        {
            for (int i = 0; i < Stages(tileN); i++)
                Shared.Clear(shared + i * StageBytes(tileN) + chunk * 16);
        }
        Shared.Publish();
    }

    /// <summary>The operands of every stage, by the copy engine; one warp.</summary>
    public static void LoadOperands(int tileN, int shared, int barriers, int rows, int columns, int blocks, int groupM)
    {
        int stageBytes = StageBytes(tileN);
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN);
        int loadedBytes = Pin.Int32(stageBytes - (TileM - BoxRows(rows)) * 128);
        long mapA = Tma.MapA(), mapB = Tma.MapB();
        int turns = Pin.Int32(Turns(tileN, blocks)), stages = Stages(tileN), stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            for (int block = 0; block < turns; block++)
            {
                int barrier = barriers + stage * 8, target = shared + stage * stageBytes;
                MBarrier.Wait(barrier + EmptyOffset, phase);
                // A stage that the tile has no block for is passed over.
                MBarrier.ArriveExpect(barrier, block < blocks ? loadedBytes : 0);
                if (block < blocks)
                {
                    Tma.Load(target, mapA, block * 128, m0, barrier);
                    Tma.Load(target + TileM * 128, mapB, block * 128, n0, barrier);
                }
                stage++;
                if (stage == stages)
                {
                    stage = 0;
                    phase ^= 1;
                }
            }
        }
    }

    /// <summary>The scales of every stage; one warp. Copies of 4 bytes serve either layout of the activation scales.</summary>
    public static void LoadScales(
        int tileN, int scales, int barriers, long rowScales, long rowPitch, long blockPitch, long weightScales, int rows, int columns,
        int blocks, int groupM)
    {
        int tilesM = Pin.Int32((rows + TileM - 1) / TileM), tilesN = Pin.Int32((columns + tileN - 1) / tileN);
        int tiles = Pin.Int32(tilesM * tilesN), lastBlockRow = Pin.Int32((columns - 1) >> 7);
        int lane = Pin.Int32(Group.IdxX & 31), two = Pin.Int32(lane < (128 % tileN == 0 ? 1 : 2) ? 1 : 0);
        int laneScales = Pin.Int32(scales + lane * 4);
        int turns = Pin.Int32(Turns(tileN, blocks)), stages = Stages(tileN), stage = 0, phase = 1;
        for (int tile = Grid.IdxX; tile < tiles; tile += Grid.DimX)
        {
            int mn = Locate(tile, tilesM, tilesN, groupM);
            int m0 = FirstRow(mn, rows), n0 = Pin.Int32((mn >> 16) * tileN);
            // Rows past the end take the last row's scale: their products are 0 and never stored.
            int last = Pin.Int32(rows - 1 - m0);
            long first = Pin.Int64(rowScales + (m0 + Math.Min(lane, last)) * rowPitch);
            long second = Pin.Int64(rowScales + (m0 + Math.Min(lane + 32, last)) * rowPitch - first);
            long third = Pin.Int64(rowScales + (m0 + Math.Min(lane + 64, last)) * rowPitch - first);
            long fourth = Pin.Int64(rowScales + (m0 + Math.Min(lane + 96, last)) * rowPitch - first);
            long weight = Pin.Int64(weightScales + (long)Math.Min((n0 >> 7) + (lane & 1), lastBlockRow) * blocks * 4);
            for (int block = 0; block < turns; block++)
            {
                int barrier = barriers + stage * 8, target = laneScales + stage * StageScaleBytes, present = Pin.Int32(block < blocks ? 1 : 0);
                MBarrier.Wait(barrier + EmptyOffset, phase);
                AsyncCopy.Copy4(target, first, present);
                AsyncCopy.Copy4(target + 128, first + second, present);
                AsyncCopy.Copy4(target + 256, first + third, present);
                AsyncCopy.Copy4(target + 384, first + fourth, present);
                AsyncCopy.Copy4(target + WeightScaleOffset, weight, present & two);
                MBarrier.ArriveAfterCopies(barrier);
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

    /// <summary>The sums of a tile, by the two warpgroups: each has 64 of its rows.</summary>
    /// <param name="acc">Zero.</param>
    /// <param name="tileN">Columns of the tile; a constant.</param>
    /// <param name="integers">Whether the codes are INT8; a constant.</param>
    /// <param name="operandA">Descriptor of the warpgroup's activation rows in the first stage.</param>
    /// <param name="operandB">Descriptor of the weight rows in the first stage.</param>
    /// <param name="laneScales">Shared address of this lane's first row's scale in the first stage: <see cref="LaneScales"/>.</param>
    /// <param name="weightScales">Shared address of the weight blocks' scales in the first stage: <see cref="WeightScales"/>.</param>
    /// <param name="barriers">Shared address of the ring's barriers.</param>
    /// <param name="blocks">Blocks of K.</param>
    /// <param name="turn">Turns of all tiles before.</param>
    /// <param name="split">First column of the right weight block.</param>
    public static TAcc Multiply<TAcc>(
        TAcc acc, int tileN, bool integers, int operandA, int operandB, int laneScales, int weightScales, int barriers, int blocks, int turn,
        int split)
        where TAcc : unmanaged
    {
        int stages = Stages(tileN), block = 0;
        // INT8's longer promotion hides what lies between the blocks.
        if (stages == Quad && !integers)
        {
            int whole = Pin.Int32(blocks & ~(Quad - 1));
            for (; block < whole; block += Quad)
            {
                int phase = (turn + block) / Quad & 1;
                acc = Step(acc, tileN, integers, operandA, operandB, laneScales, weightScales, barriers, 0, phase, split);
                acc = Step(acc, tileN, integers, operandA, operandB, laneScales, weightScales, barriers, 1, phase, split);
                acc = Step(acc, tileN, integers, operandA, operandB, laneScales, weightScales, barriers, 2, phase, split);
                acc = Step(acc, tileN, integers, operandA, operandB, laneScales, weightScales, barriers, 3, phase, split);
            }
        }
        for (; block < blocks; block++)
        {
            int stage = (turn + block) % stages, phase = (turn + block) / stages & 1;
            acc = Step(acc, tileN, integers, operandA, operandB, laneScales, weightScales, barriers, stage, phase, split);
        }
        return acc;
    }

    /// <summary>Frees the stages that a tile has no block for, after <see cref="Multiply"/>; the two warpgroups.</summary>
    /// <param name="tileN">Columns of the tile; a constant.</param>
    /// <param name="barriers">Shared address of the ring's barriers.</param>
    /// <param name="blocks">Blocks of K.</param>
    /// <param name="turn">Turns of all tiles before.</param>
    public static void PassOver(int tileN, int barriers, int blocks, int turn)
    {
        int stages = Stages(tileN);
        for (int block = blocks; block < Turns(tileN, blocks); block++)
        {
            int barrier = barriers + (turn + block) % stages * 8;
            MBarrier.Wait(barrier, (turn + block) / stages & 1);
            MBarrier.Arrive(barrier + EmptyOffset);
        }
    }

    /// <summary>Where <see cref="Multiply"/> finds a lane's scales: of row lane / 4 of the warp's 16.</summary>
    public static int LaneScales(int scales, int warpRow, int lane) => Pin.Int32(scales + (warpRow + (lane >> 2)) * 4);

    /// <summary>Where <see cref="Multiply"/> finds the weight blocks' scales.</summary>
    public static int WeightScales(int scales) => Pin.Int32(scales + WeightScaleOffset);

    private static TAcc Step<TAcc>(
        TAcc acc, int tileN, bool integers, int operandA, int operandB, int laneScales, int weightScales, int barriers, int stage, int phase,
        int split)
        where TAcc : unmanaged
    {
        int barrier = barriers + stage * 8, offset = stage * (StageBytes(tileN) / 16), slot = stage * StageScaleBytes;
        MBarrier.Wait(barrier, phase);
        float upper = Shared.Single(laneScales + slot), lower = Shared.Single(laneScales + slot + 32);
        float left = Shared.Single(weightScales + slot), right = 128 % tileN == 0 ? left : Shared.Single(weightScales + slot + 4);
        return integers
            ? Int8Wgmma.MultiplyInt8Rows(acc, operandA + offset, operandB + offset, barrier + EmptyOffset, upper, lower, left, right, split)
            : Wgmma.MultiplyRows(acc, operandA + offset, operandB + offset, barrier + EmptyOffset, upper, lower, left, right, split);
    }
}
