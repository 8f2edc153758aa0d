using System.Diagnostics;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>What the processor spends: compiling every kernel in a fresh process, starting one matmul, and calls of operators, which also check and plan.</summary>
internal static class HostSuite
{
    private const int M = 16, N = 256, K = 256;
    private const int Calls = 200, Rounds = 200;

    // The runtime optimises what is called often, twice, and only after 100 ms without new code: before, a call takes several times as long.
    private const int WarmUpMilliseconds = 1500;

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < HopperKernel.All.Count; i++)
            HopperKernels.Current.Load(i);
        yield return new SuiteResult("host", 0, 0, 0, $"load {HopperKernel.All.Count} kernels: {clock.ElapsedMilliseconds} ms");

        using var problem = new DenseProblem(timer, M, N, K, OutputType.BFloat16, columnMajorScales: true, rotate: false);
        var plan = HopperScheduler.Plan(M, N, K, timer.Multiprocessors);
        foreach (var result in Time([("launch of a ready plan", () => problem.Launch(plan, 0))], () => Check(cuStreamSynchronize(timer.Stream))))
            yield return result;

        // A thread of its own: a device may bring another CUDA context, and leaves it current where it is called.
        var operators = Task.Factory.StartNew(Operators, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        foreach (var result in operators.GetAwaiter().GetResult())
            yield return result;
    }

    private static List<SuiteResult> Operators()
    {
        using var device = ComputeDevice.Create(DeviceKind.Cuda);
        using var activations = new DeviceMatrix<BFloat16>(device, M, K);
        using var codes = new QuantizedDeviceMatrix<Float8E4M3>(device, M, K, QuantizationScheme.Fp8TokenGroup128);
        using var weights = new QuantizedDeviceMatrix<Float8E4M3>(device, N, K, QuantizationScheme.Fp8Block128);
        using var output = new DeviceMatrix<BFloat16>(device, M, N);
        using var int8Codes = new QuantizedDeviceMatrix<sbyte>(device, M, K, QuantizationScheme.Int8TokenGroup128);
        using var int8Weights = new QuantizedDeviceMatrix<sbyte>(device, N, K, QuantizationScheme.Int8Block128);
        using var workspace = device.Allocate<int>(Fp8Operators.MultiplyWorkspaceLength(M, K));
        return Time(
            [
                ("call of Fp8.Quantize", () => device.Fp8.Quantize(activations.View, codes.View)),
                ("call of Fp8.Multiply from codes", () => device.Fp8.Multiply(codes.View, weights.View, output.View)),
                ("call of Fp8.Multiply from bf16", () => device.Fp8.Multiply(activations.View, weights.View, output.View, workspace.View)),
                ("call of Int8.Multiply", () => device.Int8.Multiply(int8Codes.View, int8Weights.View, output.View)),
            ],
            device.Synchronize);
    }

    private static List<SuiteResult> Time((string What, Action Call)[] calls, Action synchronize)
    {
        // All of them before any is timed: the first call of one is new code for the others.
        var clock = Stopwatch.StartNew();
        while (clock.ElapsedMilliseconds < WarmUpMilliseconds)
        {
            foreach (var (_, call) in calls)
            {
                Repeat(call);
                synchronize();
            }
        }
        return [.. calls.Select(call => Time(call.What, call.Call, synchronize))];
    }

    private static SuiteResult Time(string what, Action call, Action synchronize)
    {
        var clock = new Stopwatch();
        var times = new double[Rounds];
        long allocated = 0;
        for (int round = 0; round < Rounds; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            clock.Restart();
            Repeat(call);
            times[round] = clock.Elapsed.TotalMicroseconds / Calls;
            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            synchronize();
        }
        Array.Sort(times);
        return new SuiteResult("host", M, N, K, $"{what}: {times[Rounds / 2]:F2} us, {allocated} bytes allocated in {Rounds * Calls} calls");
    }

    private static void Repeat(Action call)
    {
        for (int i = 0; i < Calls; i++)
            call();
    }
}
