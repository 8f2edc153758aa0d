using BlockQuant.Benchmarks;
using BlockQuant.Benchmarks.Accuracy;
using BlockQuant.Benchmarks.HostEngine;
using BlockQuant.Benchmarks.Reports;
using BlockQuant.Benchmarks.Suites;

switch (args.FirstOrDefault())
{
    case "cpu":
        return CpuSuite.Run(args[1..]);
    case "host":
        return HostEngineCommand.Run(args[1..]);
#if !EMULATOR
    case "generate-ptx":
        return PtxGeneration.Run(args[1..]);
#endif
    case "accuracy":
        return AccuracyCommand.Run(args[1..]);
    case "report":
        return ReportCommand.Run(args[1..]);
    case "--suite":
        return SuiteCommand.Run(args);
    default:
        Console.Error.WriteLine(
            "expected: cpu, followed by BenchmarkDotNet's arguments; or host [--rounds N] [--only TEXT] [--json FILE] [--out DOCS]; "
            + "or --suite check|grouped-check|dense|grouped|batched|int8|lora|quant|host|all [--device cuda] [--json FILE] "
            + "[--tokens 1,16,...] [--sweep]; or accuracy --out DOCS; or report --results DIR --out DOCS [--readme FILE]; or, where ILGPU is the kernel host, generate-ptx [REPOSITORY].");
        return 2;
}
