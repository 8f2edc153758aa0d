using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// How the kernels for few tokens finish: the parts into which K is split are added, and the tile is written. Each 16 weight rows of a tile
/// belong to one part, whose warp the others push theirs to and then end: nobody waits for the cluster to meet when sums are
/// ready, and of the instructions, which none has run before and which have to come from memory, there are few.
/// </summary>
internal static class DecodeSums
{
    // A barrier for each 16 rows.
    private const int BarrierBytes = 64;

    // Of each token a warp has 16 rows.
    private const int RowsOfWarp = 16;

    /// <summary>Shared memory that the pushed parts of a block take.</summary>
    /// <param name="tokens">Tokens of a tile; a constant.</param>
    /// <param name="tileN">Weight rows of a tile; likewise.</param>
    /// <param name="part">The block's part.</param>
    public static int Bytes(int tokens, int tileN, DecodePart part)
    {
        int bits = PartBits(tileN, part);
        return bits == 0 ? 0 : BarrierBytes + (8 - (8 >> bits)) * WarpBytes(tokens);
    }

    /// <summary>Prepares the barriers; every thread, before those of the block meet.</summary>
    public static void Enter(int tileN, DecodePart part, int sums)
    {
        int warp = Warpgroup.Warp();
        if (part.Bits > 0 && warp < tileN / RowsOfWarp && (Group.IdxX & 31) == 0)
        {
            MBarrier.Initialize(sums + warp * 8, 1);
            MBarrier.PublishInitialization();
        }
    }

    /// <summary>Tells the cluster that the barriers are prepared; every thread, after those of the block have met.</summary>
    public static void Announce(DecodePart part)
    {
        if (part.Bits > 0)
            Cluster.Arrive();
    }

    /// <summary>
    /// Waits until all of the cluster have announced theirs, as they long have: ahead of a push, and of a thread's end, since each has arrived.
    /// </summary>
    public static void AwaitOthers()
    {
        // Asked again, not kept: the warps that quantize have no register left.
        if (Cluster.Size() > 1)
            Cluster.AwaitArrivals();
    }

    /// <summary>Adds the parts and writes the tile; the threads that multiply.</summary>
    /// <param name="acc">The lane's sums of its warpgroup's part.</param>
    /// <param name="tokens">Tokens of a tile; a constant.</param>
    /// <param name="tileN">Weight rows of a tile; likewise.</param>
    /// <param name="part">The block's part.</param>
    /// <param name="shared">Shared address of the ring, which all multiplying threads leave.</param>
    /// <param name="sums">Shared address of the pushed parts.</param>
    /// <param name="output">Global address of the output.</param>
    /// <param name="outputPitch">Bytes from one token's output to the next's.</param>
    /// <param name="outputType">An <see cref="OutputType"/>.</param>
    /// <param name="vector">Whether four neighbours can be written at once.</param>
    /// <param name="rows">Tokens of the product.</param>
    /// <param name="columns">Weight rows of the product.</param>
    public static void Finish<TAcc>(
        TAcc acc, int tokens, int tileN, DecodePart part, int shared, int sums, long output, long outputPitch, int outputType, int vector,
        int rows, int columns)
        where TAcc : unmanaged
    {
        AwaitOthers();
        int strips = tileN / RowsOfWarp;
        int warp = Pin.Int32(Warpgroup.Warp()), strip = Pin.Int32(warp & (strips - 1)), lane = Pin.Int32(Group.IdxX & 31);
        int bits = Pin.Int32(PartBits(tileN, part)), staging;
        if (bits > 0)
        {
            int parts = Pin.Int32(1 << bits), own = tileN == DecodeKernel.TileN ? part.Rank : Pin.Int32(part.Rank * 2 + (warp >> 2));
            int owner = Pin.Int32(strip * parts / strips), barrier = Pin.Int32(sums + strip * 8);
            // Of the strips of one block each has places for the other parts.
            int place = Pin.Int32(sums + BarrierBytes + (strip & ((strips >> part.Bits) - 1)) * (parts - 1) * WarpBytes(tokens) + lane * 16);
            int slot = Pin.Int32(place + (own - (own > owner ? 1 : 0)) * WarpBytes(tokens));
            // The two warpgroups of a block alone meet at its own barrier.
            if (part.Bits == 0)
            {
                if (own != owner)
                    Cluster.Keep(acc, slot);
                Warpgroup.Sync(1, DecodeKernel.MultiplyingThreads);
            }
            if (own != owner)
            {
                if (part.Bits > 0)
                    Cluster.Push(acc, slot, tileN == DecodeKernel.TileN ? owner : owner >> 1, barrier);
                return;
            }
            if (part.Bits > 0)
            {
                MBarrier.ArriveExpect(barrier, (parts - 1) * WarpBytes(tokens));
                MBarrier.Wait(barrier, 0);
            }
            acc = Cluster.SumOfParts(acc, place, own, parts);
            Warpgroup.SyncWarp();
            staging = Pin.Int32(place - lane * 16);
        }
        else
        {
            // The tile takes the place of the stages, once both warpgroups have left them.
            Warpgroup.Sync(1, DecodeKernel.MultiplyingThreads);
            staging = Pin.Int32(shared + warp * (tokens * RowsOfWarp * 2));
        }
        int column = Pin.Int32(part.N0 + strip * RowsOfWarp), valid = Pin.Int32(Math.Min(rows - part.M0, tokens));
        if (outputType == (int)OutputType.Single)
        {
            int token = Pin.Int32((lane & 3) * 2), row = Pin.Int32(column + (lane >> 2));
            long first = Pin.Int64(output + (part.M0 + token) * outputPitch + (long)row * 4);
            Epilogue.StoreTokensSingle(acc, first, outputPitch, valid - token, columns - row);
            return;
        }
        int matrixRow = Pin.Int32(staging + ((lane >> 4) * 8 + (lane & 7)) * 32 + ((lane >> 3 ^ lane >> 2) & 1) * 16);
        if (outputType == (int)OutputType.BFloat16)
            Epilogue.StageTokensBFloat16(acc, matrixRow);
        else
            Epilogue.StageTokensHalf(acc, matrixRow);
        Warpgroup.SyncWarp();
        // Eight tokens at a time, four weight rows a lane.
        int neighbour = Pin.Int32(column + (lane & 3) * 4), count = Pin.Int32(columns - neighbour), whole = Pin.Int32(count > 3 ? vector : 0);
        int source = Pin.Int32(staging + (lane >> 2) * 32 + ((lane >> 1 ^ lane >> 4) & 1) * 16 + (lane & 1) * 8);
        long target = Pin.Int64(output + (part.M0 + (lane >> 2)) * outputPitch + (long)neighbour * 2);
        long step = Pin.Int64(outputPitch * 8);
        for (int token = lane >> 2; token < valid; token += 8)
        {
            Shared.CopyFour(source, target, count, whole);
            source += 256;
            target += step;
        }
    }

    // Bytes of a warp's sums.
    private static int WarpBytes(int tokens) => tokens * RowsOfWarp * 4;

    // The logarithm of the number of parts: of 64 rows each warpgroup has one.
    private static int PartBits(int tileN, DecodePart part) => part.Bits + (tileN == DecodeKernel.TileN ? 0 : 1);
}
