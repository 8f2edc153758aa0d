using System.Diagnostics;
using System.Runtime.InteropServices;
using BlockQuant.Kernels.Cuda;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>A device, a stream and the two ways in which a launch is timed.</summary>
internal sealed unsafe class GpuTimer
{
    private const long FlushBytes = 2L << 30;
    private readonly IntPtr flush, start, end;

    public GpuTimer()
    {
        Check(cuInit(0));
        Check(cuDeviceGet(out int device, 0));
        Check(cuDevicePrimaryCtxRetain(out var context, device));
        Check(cuCtxSetCurrent(context));
        Check(cuStreamCreate(out var stream, 1));
        Check(cuMemAlloc(out flush, (nuint)FlushBytes));
        Check(cuEventCreate(out start, 0));
        Check(cuEventCreate(out end, 0));
        Stream = stream;
        Device = device;
        Multiprocessors = DeviceAttribute(device, CudaDeviceAttribute.MultiprocessorCount);
        Check(cuDriverGetVersion(out int version));
        DriverVersion = $"CUDA {version / 1000}.{version % 1000 / 10}";
        byte* name = stackalloc byte[256];
        Check(cuDeviceGetName(name, 256, device));
        DeviceName = Marshal.PtrToStringAnsi((IntPtr)name)!;
    }

    public IntPtr Stream { get; }

    public int Device { get; }

    public int Multiprocessors { get; }

    public string DeviceName { get; }

    public string DriverVersion { get; }

    /// <summary>Microseconds of a launch on a cold L2 with an idle device before it: a CUDA graph of the one launch, median of ten.</summary>
    public double Spaced(Action<int> launch)
    {
        var replay = Capture(launch, 1);
        var times = new List<double>();
        for (int i = 0; i < 13; i++)
        {
            Thread.Sleep(5);
            Check(cuMemsetD8Async(flush, (byte)i, (nuint)FlushBytes, Stream));
            Check(cuEventRecord(start, Stream));
            Check(cuGraphLaunch(replay, Stream));
            Check(cuEventRecord(end, Stream));
            Check(cuStreamSynchronize(Stream));
            Check(cuEventElapsedTime(out float milliseconds, start, end));
            if (i >= 3)
                times.Add(milliseconds * 1000);
        }
        Check(cuGraphExecDestroy(replay));
        times.Sort();
        return (times[4] + times[5]) / 2;
    }

    /// <summary>Microseconds of a launch among launches back to back: replays of a CUDA graph, for at least the given time after warming up.</summary>
    public double Sustained(Action<int> launch, int launches, int milliseconds = 120)
    {
        var replay = Capture(launch, launches);
        var clock = Stopwatch.StartNew();
        while (clock.ElapsedMilliseconds < milliseconds)
        {
            Check(cuGraphLaunch(replay, Stream));
            Check(cuStreamSynchronize(Stream));
        }
        var times = new List<double>();
        clock.Restart();
        while (clock.ElapsedMilliseconds < milliseconds || times.Count < 5)
        {
            Check(cuEventRecord(start, Stream));
            for (int i = 0; i < 4; i++)
                Check(cuGraphLaunch(replay, Stream));
            Check(cuEventRecord(end, Stream));
            Check(cuStreamSynchronize(Stream));
            Check(cuEventElapsedTime(out float elapsed, start, end));
            times.Add(elapsed * 1000 / (4 * launches));
        }
        Check(cuGraphExecDestroy(replay));
        times.Sort();
        return times[times.Count / 2];
    }

    private IntPtr Capture(Action<int> launch, int launches)
    {
        Check(cuStreamBeginCapture(Stream, 2));
        for (int i = 0; i < launches; i++)
            launch(i);
        Check(cuStreamEndCapture(Stream, out var graph));
        Check(cuGraphInstantiateWithFlags(out var replay, graph, 0));
        Check(cuGraphDestroy(graph));
        return replay;
    }
}
