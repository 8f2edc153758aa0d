using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>What outputs past the caches have in common.</summary>
internal static class LineStream
{
    /// <summary>The most bytes of a piece. Long pieces would leave memory idle while they are computed.</summary>
    public const int MaxPiece = 1024;

    /// <summary>Bytes that a stage needs.</summary>
    public const int StageBytes = MaxPiece + 2 * Line;

    /// <summary>Bytes of a cache line.</summary>
    public const int Line = 64;

    private const long LeastBytes = 16 << 20;

    /// <summary>Whether an output is so large that it would not stay in the caches for whoever reads it next.</summary>
    public static bool IsWorthwhile(long bytes) => bytes >= LeastBytes;

    /// <summary>Lets other threads see what went past the caches before anything that this thread stores later.</summary>
    public static void Fence()
    {
        if (Sse.IsSupported)
        {
            Sse.StoreFence();
        }
        else
        {
            Thread.MemoryBarrier();
        }
    }
}

/// <summary>
/// Takes a run of output piece by piece and stores it past the caches, line by line: a store that goes through them reads the line first. The
/// pieces lie in a stage in the first cache, which begins as far from a line's start as the output does.
/// </summary>
internal unsafe struct LineStream<TLanes>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private readonly byte* stage;
    private byte* output;
    private int begin;
    private int filled;

    /// <param name="stage"><see cref="LineStream.StageBytes"/>, aligned to a line; null where nothing is to be streamed.</param>
    /// <param name="output">Where the run goes.</param>
    public LineStream(byte* stage, byte* output)
    {
        this.stage = stage;
        begin = filled = (int)((long)output & (LineStream.Line - 1));
        this.output = output - begin;
    }

    /// <summary>Whether there is a stage.</summary>
    public readonly bool IsOpen => stage != null;

    /// <summary>Where the next piece is to be put.</summary>
    public readonly byte* Place => stage + filled;

    /// <summary>Takes the piece that was put at <see cref="Place"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(int bytes)
    {
        filled += bytes;
        int whole = filled & -LineStream.Line;
        int index = begin;
        if (index != 0 && whole != 0)
        {
            Unsafe.CopyBlockUnaligned(output + index, stage + index, (uint)(LineStream.Line - index));
            index = LineStream.Line;
        }

        for (; index < whole; index += sizeof(TLanes))
        {
            TLanes.StoreAlignedNonTemporal(TLanes.Load(ref *(int*)(stage + index)), (int*)(output + index));
        }

        if (whole != 0)
        {
            for (index = 0; index < LineStream.Line; index += sizeof(TLanes))
            {
                TLanes.Store(TLanes.Load(ref *(int*)(stage + whole + index)), ref *(int*)(stage + index));
            }

            begin = 0;
            filled -= whole;
            output += whole;
        }
    }

    /// <summary>Stores what fills no line.</summary>
    public readonly void Close()
    {
        if (IsOpen)
        {
            Unsafe.CopyBlockUnaligned(output + begin, stage + begin, (uint)(filled - begin));
        }
    }
}
