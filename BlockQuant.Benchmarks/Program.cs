using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using BlockQuant.Benchmarks.Suites;
using BlockQuant.Kernels.Hopper;

namespace BlockQuant.Benchmarks;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        switch (arguments.FirstOrDefault())
        {
#if !EMULATOR
            case "generate-ptx":
                return PtxGeneration.Run(arguments[1..]);
#endif
            case "cpu":
                // In process, because BenchmarkDotNet's own builds do not know KernelHost; beside the program, so that the checkout
                // stays clean.
                IConfig config = DefaultConfig.Instance
                    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
                    .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "artifacts"));
                BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments[1..], config);
                return 0;
            case "once":
                var once = new GpuTimer();
                foreach (int tile in new[] { 128, 160, 192, 256 })
                    DenseSuite.Hold(once, 4096, 7168, 7168, new BlockQuant.Scheduling.HopperPlan(BlockQuant.Scheduling.HopperKernelKind.Prefill, 128, tile, 1, 16), true);
                return 0;
            case "hold":
                var holder = new GpuTimer();
                foreach (var (n, k) in new[] { (4096, 7168), (7168, 2048), (7168, 16384) })
                {
                    foreach (var (tile, g) in new[] { (128, 16), (144, 16), (160, 16), (192, 16), (192, 8), (256, 4), (256, 8), (256, 16), (256, 32) })
                        DenseSuite.Hold(holder, 4096, n, k, new BlockQuant.Scheduling.HopperPlan(BlockQuant.Scheduling.HopperKernelKind.Prefill, 128, tile, 1, g));
                }
                return 0;
            case "sweep":
                var timer = new GpuTimer();
                Console.WriteLine(timer.DeviceName);
                for (int i = 0; i < HopperKernel.All.Count; i++)
                {
                    try
                    {
                        var module = HopperKernels.Current.Load(i);
                        string log = string.Join(" | ", module.CompileLog.Split('\n').Where(line => !line.Contains(" 0 bytes spill stores")).Take(6));
                        Console.WriteLine($"{HopperKernel.All[i].Name}: {module.Registers} registers, {module.LocalBytes} local; {log}");
                    }
                    catch (Exception error)
                    {
                        Console.WriteLine($"{HopperKernel.All[i].Name}: {error.Message}");
                    }
                }
                DenseSuite.Run(timer, arguments[1..].Select(int.Parse).ToArray(), sweep: true);
                return 0;
            default:
                return 2;
        }
    }
}
