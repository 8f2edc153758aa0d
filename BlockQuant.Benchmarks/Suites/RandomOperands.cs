using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Normally distributed FP8 codes and scales, the same on host and device.</summary>
internal sealed unsafe class RandomOperands
{
    private const int PoolBytes = 1 << 26;
    private static readonly float[] Values = Enumerable.Range(0, 256).Select(code => Decode((byte)code)).ToArray();
    private static readonly byte[] Pool = MakePool();
    private readonly List<IntPtr> allocations = [];

    /// <summary>Value of the code at an offset into the endless repetition of the pool.</summary>
    public static float Value(long offset) => Values[Pool[offset % PoolBytes]];

    public IntPtr Allocate(long bytes)
    {
        Check(cuMemAlloc(out var pointer, (nuint)Math.Max(bytes, 16)));
        allocations.Add(pointer);
        return pointer;
    }

    /// <summary>Device copy of <paramref name="bytes"/> codes beginning at an offset of the pool.</summary>
    public IntPtr Codes(long offset, long bytes, IntPtr stream)
    {
        var pointer = Allocate(bytes);
        fixed (byte* source = Pool)
        {
            for (long done = 0; done < bytes;)
            {
                long from = (offset + done) % PoolBytes, count = Math.Min(PoolBytes - from, bytes - done);
                Check(cuMemcpyAsync((IntPtr)((long)pointer + done), (IntPtr)(source + from), (nuint)count, stream));
                done += count;
            }
            Check(cuStreamSynchronize(stream));
        }
        return pointer;
    }

    public IntPtr Upload<T>(T[] values, IntPtr stream)
        where T : unmanaged
    {
        var pointer = Allocate((long)values.Length * sizeof(T));
        fixed (T* source = values)
        {
            Check(cuMemcpyAsync(pointer, (IntPtr)source, (nuint)((long)values.Length * sizeof(T)), stream));
            Check(cuStreamSynchronize(stream));
        }
        return pointer;
    }

    public static T[] Download<T>(IntPtr pointer, long count, IntPtr stream)
        where T : unmanaged
    {
        var values = new T[count];
        fixed (T* target = values)
        {
            Check(cuMemcpyAsync((IntPtr)target, pointer, (nuint)(count * sizeof(T)), stream));
            Check(cuStreamSynchronize(stream));
        }
        return values;
    }

    public static float[] Scales(long count, int seed)
    {
        var random = new Random(seed);
        var scales = new float[count];
        for (long i = 0; i < count; i++)
            scales[i] = (float)(0.5 + random.NextDouble()) / 500;
        return scales;
    }

    public void Free()
    {
        foreach (var pointer in allocations)
            Check(cuMemFree(pointer));
        allocations.Clear();
    }

    private static byte[] MakePool()
    {
        var table = new byte[1 << 16];
        var random = new Random(7);
        for (int i = 0; i < table.Length; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()) * 100;
            int best = 0;
            for (int code = 0; code < 127; code++)
                best = Math.Abs(Decode((byte)code) - Math.Abs(normal)) < Math.Abs(Decode((byte)best) - Math.Abs(normal)) ? code : best;
            table[i] = (byte)(best | (normal < 0 ? 128 : 0));
        }
        var pool = new byte[PoolBytes];
        ulong state = 0x9E3779B97F4A7C15;
        for (int i = 0; i < PoolBytes; i += 4)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ulong bits = state * 0x2545F4914F6CDD1D;
            for (int lane = 0; lane < 4; lane++)
                pool[i + lane] = table[bits >> 16 * lane & 0xffff];
        }
        return pool;
    }

    private static float Decode(byte code)
    {
        int exponent = code >> 3 & 15, mantissa = code & 7;
        double value = exponent == 0 ? mantissa / 512.0 : (1 + mantissa / 8.0) * Math.Pow(2, exponent - 7);
        return (float)(code < 128 ? value : -value);
    }
}
