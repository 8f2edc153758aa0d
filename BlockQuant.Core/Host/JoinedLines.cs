using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// Takes a run of codes in vectors of 64 and stores them: past the caches in whole lines, each put together in registers from the end of one vector
/// and the beginning of the next. A stage in memory would be read before its stores are done.
/// </summary>
/// <remarks>
/// A line that two runs share is stored only once where the first run leaves its last vector to the second, which may come much later: half a line is
/// read from memory before it is written.
/// </remarks>
internal unsafe struct JoinedLines
{
    /// <summary>Codes of a vector, and bytes of a line and of what one run leaves to another.</summary>
    public const int Length = 64;

    private readonly Vector512<byte> shifted;
    private readonly int offset;
    private readonly bool streamed;

    /// <summary>The first line where another run has its beginning; or null. A flag that changed would be stored, and wait in one queue with lines.</summary>
    private readonly byte* shared;

    private Vector512<byte> before;
    private byte* target;

    /// <param name="codes">Where the run goes.</param>
    /// <param name="streamed">Whether it goes past the caches.</param>
    /// <param name="left">What the run just before it left, or null.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public JoinedLines(byte* codes, bool streamed, byte* left)
    {
        this.streamed = streamed;
        offset = streamed ? (int)((long)codes & (Length - 1)) : 0;
        target = codes - offset;
        shifted = Vector512<byte>.Indices + Vector512.Create((byte)(Length - offset));
        shared = offset == 0 || left != null ? null : target;
        before = left != null ? Vector512.Load(left) : default;
    }

    /// <summary>Stores the next two vectors of codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(Vector512<byte> first, Vector512<byte> second)
    {
        if (!streamed)
        {
            first.Store(target);
            second.Store(target + Length);
        }
        else
        {
            Vector512<byte> line = Avx512Vbmi.PermuteVar64x8x2(before, shifted, first);
            if (target != shared)
            {
                line.StoreAlignedNonTemporal(target);
            }
            else
            {
                Avx512BW.MaskStore(target, ~BelowOffset(), line);
            }

            Avx512Vbmi.PermuteVar64x8x2(first, shifted, second).StoreAlignedNonTemporal(target + Length);
            before = second;
        }

        target += 2 * Length;
    }

    /// <summary>Stores what fills no line, or puts it where <paramref name="left"/> points.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Close(byte* left)
    {
        if (left != null)
        {
            before.Store(left);
        }
        else if (offset > 0 && target != shared)
        {
            Avx512BW.MaskStore(target, BelowOffset(), Avx512Vbmi.PermuteVar64x8x2(before, shifted, before));
        }
    }

    private readonly Vector512<byte> BelowOffset() => Vector512.LessThan(Vector512<byte>.Indices, Vector512.Create((byte)offset));
}
