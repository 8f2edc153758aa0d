using System.Diagnostics;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>What the processor spends: compiling every kernel in a fresh process, and starting one matmul.</summary>
internal static class HostSuite
{
    private const int Calls = 200;

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < HopperKernel.All.Count; i++)
            HopperKernels.Current.Load(i);
        yield return new SuiteResult("host", 0, 0, 0, $"load {HopperKernel.All.Count} kernels: {clock.ElapsedMilliseconds} ms");

        using var problem = new DenseProblem(timer, 16, 256, 256, OutputType.BFloat16, columnMajorScales: true, rotate: false);
        var plan = HopperScheduler.Plan(16, 256, 256, timer.Multiprocessors);
        var times = new List<double>();
        long allocated = 0;
        for (int round = 0; round < 20; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            clock.Restart();
            for (int i = 0; i < Calls; i++)
                problem.Launch(plan, i);
            times.Add(clock.Elapsed.TotalMicroseconds / Calls);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Check(cuStreamSynchronize(timer.Stream));
        }
        times.Sort();
        yield return new SuiteResult("host", 16, 256, 256, $"a call: {times[times.Count / 2]:F2} us, {allocated / Calls} bytes allocated");
    }
}
