using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

string suite = args.FirstOrDefault() ?? "";
if (suite != "cpu")
{
    Console.Error.WriteLine($"suite '{suite}' is unknown; expected cpu, followed by BenchmarkDotNet's own arguments.");
    return 2;
}

// In process, because BenchmarkDotNet's own builds do not know KernelHost; beside the program, so that the checkout stays clean.
IConfig config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "artifacts"));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args[1..], config);
return 0;
