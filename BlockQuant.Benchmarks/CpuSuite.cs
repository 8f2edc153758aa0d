using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace BlockQuant.Benchmarks;

/// <summary>The CPU benchmarks, by BenchmarkDotNet.</summary>
internal static class CpuSuite
{
    public static int Run(string[] arguments)
    {
        // In process, because BenchmarkDotNet's own builds do not know KernelHost; beside the program, so that the checkout stays clean.
        IConfig config = DefaultConfig.Instance
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "artifacts"));
        BenchmarkSwitcher.FromAssembly(typeof(CpuSuite).Assembly).Run(arguments, config);
        return 0;
    }
}
