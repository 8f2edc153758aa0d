using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>What the machine can do at most, on all cores: multiply-adds in registers, and copies and reads of memory.</summary>
internal sealed unsafe class MachineLimits
{
    /// <summary>Bytes that a copy reads; far more than the caches hold.</summary>
    public const int Bytes = 128 << 20;

    private const int Chunk = 256 * 1024;
    private const int VectorBytes = 64;

    private readonly byte[] source = GC.AllocateArray<byte>(Bytes + VectorBytes, pinned: true);
    private readonly byte[] target = GC.AllocateArray<byte>(Bytes + VectorBytes, pinned: true);
    private long found;

    public MachineLimits()
    {
        source.AsSpan().Fill(1);
        target.AsSpan().Fill(1);
    }

    /// <summary>As many float32 multiply-adds as asked, in registers.</summary>
    public static float MultiplyAdds(double count)
    {
        var results = new float[Environment.ProcessorCount];
        long steps = (long)(count / Vector512<float>.Count / 12 / results.Length);
        Parallel.For(0, results.Length, core => results[core] = MultiplyAdds(steps));
        return results[0];
    }

    /// <summary>A copy by the runtime's own routine.</summary>
    public void Copy() => InChunks((from, to) => Buffer.MemoryCopy(from, to, Chunk, Chunk));

    /// <summary>A copy by stores that go past the caches.</summary>
    public void CopyPastCaches() => InChunks(CopyPastCaches);

    /// <summary>Reads without writing.</summary>
    public void Read() => InChunks((from, _) => Interlocked.Add(ref found, Sum(from)));

    private delegate void ChunkAction(byte* from, byte* to);

    private void InChunks(ChunkAction action)
    {
        nint from = Aligned(source);
        nint to = Aligned(target);
        long next = 0;
        Parallel.For(0, Environment.ProcessorCount, _ =>
        {
            for (long taken = Interlocked.Add(ref next, Chunk) - Chunk; taken < Bytes; taken = Interlocked.Add(ref next, Chunk) - Chunk)
                action((byte*)from + taken, (byte*)to + taken);
        });
    }

    private static nint Aligned(byte[] pinned) => ((nint)Unsafe.AsPointer(ref pinned[0]) + VectorBytes - 1) & -VectorBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void CopyPastCaches(byte* from, byte* to)
    {
        for (int i = 0; i < Chunk; i += 4 * VectorBytes)
        {
            Vector512<byte> v0 = Vector512.Load(from + i);
            Vector512<byte> v1 = Vector512.Load(from + i + VectorBytes);
            Vector512<byte> v2 = Vector512.Load(from + i + 2 * VectorBytes);
            Vector512<byte> v3 = Vector512.Load(from + i + 3 * VectorBytes);
            v0.StoreAlignedNonTemporal(to + i);
            v1.StoreAlignedNonTemporal(to + i + VectorBytes);
            v2.StoreAlignedNonTemporal(to + i + 2 * VectorBytes);
            v3.StoreAlignedNonTemporal(to + i + 3 * VectorBytes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static long Sum(byte* from)
    {
        Vector512<long> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int i = 0; i < Chunk; i += 4 * VectorBytes)
        {
            s0 += Vector512.Load((long*)(from + i));
            s1 += Vector512.Load((long*)(from + i + VectorBytes));
            s2 += Vector512.Load((long*)(from + i + 2 * VectorBytes));
            s3 += Vector512.Load((long*)(from + i + 3 * VectorBytes));
        }

        return Vector512.Sum(s0 + s1 + s2 + s3);
    }

    // Twelve independent sums hide the latency of each.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float MultiplyAdds(long steps)
    {
        Vector512<float> x = Vector512.Create(0.999f);
        Vector512<float> y = Vector512.Create(1e-3f);
        Vector512<float> s0 = x, s1 = x, s2 = x, s3 = x, s4 = x, s5 = x, s6 = x, s7 = x, s8 = x, s9 = x, s10 = x, s11 = x;
        for (long i = 0; i < steps; i++)
        {
            s0 = Vector512.FusedMultiplyAdd(s0, x, y);
            s1 = Vector512.FusedMultiplyAdd(s1, x, y);
            s2 = Vector512.FusedMultiplyAdd(s2, x, y);
            s3 = Vector512.FusedMultiplyAdd(s3, x, y);
            s4 = Vector512.FusedMultiplyAdd(s4, x, y);
            s5 = Vector512.FusedMultiplyAdd(s5, x, y);
            s6 = Vector512.FusedMultiplyAdd(s6, x, y);
            s7 = Vector512.FusedMultiplyAdd(s7, x, y);
            s8 = Vector512.FusedMultiplyAdd(s8, x, y);
            s9 = Vector512.FusedMultiplyAdd(s9, x, y);
            s10 = Vector512.FusedMultiplyAdd(s10, x, y);
            s11 = Vector512.FusedMultiplyAdd(s11, x, y);
        }

        return Vector512.Sum(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);
    }
}
