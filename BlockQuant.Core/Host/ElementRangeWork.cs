using System.Runtime.InteropServices;

namespace BlockQuant.Host;

/// <summary>The largest magnitude of a whole tensor. A maximum of integers does not depend on its order.</summary>
internal readonly unsafe struct MaxMagnitudeWork<T, TSource, TLanes>(T* source, int* amax) : IRangeWork
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    private readonly T* source = source;
    private readonly int* amax = amax;

    /// <summary>Raises <paramref name="amax"/> to the largest magnitude.</summary>
    public static void Run(T* source, long length, int* amax)
        => ParallelRange.Run(new MaxMagnitudeWork<T, TSource, TLanes>(source, amax), length, ParallelRange.StreamChunk(length));

    public void Run(long begin, long end)
    {
        int found = BlockRuns<T, TSource, TLanes>.Largest(BlockRuns<T, TSource, TLanes>.MaxMagnitude(source + begin, end - begin, default));
        int seen = Volatile.Read(ref *amax);
        while (found > seen)
        {
            int before = Interlocked.CompareExchange(ref *amax, found, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }
}

/// <summary>Quantizes a whole tensor by one scale that is known.</summary>
internal readonly unsafe struct ScaledQuantizeWork<T, TSource, TFormat, TLanes>(T* source, byte* codes, float scale, bool streamed) : IRangeWork
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TFormat : struct, IHostFormat
    where TLanes : unmanaged, ILanes<TLanes>
{
    private readonly T* source = source;
    private readonly byte* codes = codes;
    private readonly float scale = scale;
    private readonly bool streamed = streamed;

    public static void Run(T* source, byte* codes, long length, float scale)
    {
        var work = new ScaledQuantizeWork<T, TSource, TFormat, TLanes>(source, codes, scale, LineStream.IsWorthwhile(length));
        ParallelRange.Run(work, length, ParallelRange.StreamChunk(length));
    }

    public void Run(long begin, long end)
    {
        if (float.IsFinite(scale))
        {
            using var stage = new HostWorkspace(LineStream.StageBytes);
            BlockRuns<T, TSource, TLanes>.EncodeAny<TFormat>(source + begin, codes + begin, end - begin, scale, streamed ? stage.Start : null);
            LineStream.Fence();
        }
        else
        {
            NativeMemory.Fill(codes + begin, (nuint)(end - begin), TFormat.NotFinite);
        }
    }
}
