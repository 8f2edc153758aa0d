using System.Reflection;
using System.Text.Json;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Kernels.Hopper;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>
/// <c>--suite NAME --device cuda [--json FILE] [--tokens 1,16,…] [--sweep]</c>: runs a suite on the GPU through the embedded PTX.
/// </summary>
internal static class SuiteCommand
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static int Run(string[] arguments)
    {
        string suite = Option(arguments, "--suite") ?? "all";
        if (Option(arguments, "--device") is not (null or "cuda"))
            return Fail("the GPU suites run on --device cuda.");
        if (!CudaDriver.IsAvailable)
            return Fail("no CUDA driver with a device was found.");
        var timer = new GpuTimer();
        if (!HopperKernels.Supports(timer.Device))
            return Fail($"{timer.DeviceName} does not have compute capability 9.0.");
        int[]? given = Option(arguments, "--tokens")?.Split(',').Select(int.Parse).ToArray();
        int[] tokens = given ?? [1, 16, 64, 128, 256, 512, 1024, 4096];
        IEnumerable<SuiteResult>? running = suite switch
        {
            "check" => Check(timer),
            "dense" => DenseSuite.Run(timer, tokens, arguments.Contains("--sweep")),
            "dense-bf16" => DenseFromBFloat16.Run(timer, given ?? DenseFromBFloat16.Tokens),
            "grouped" => GroupedSuite.Run(timer),
            "grouped-check" => GroupedSuite.Check(timer),
            "batched" => BatchedSuite.Run(timer),
            "int8" => Int8Suite.Check(timer).Concat(Int8Suite.Run(timer, tokens, arguments.Contains("--sweep"))),
            "quant" => QuantSuite.Run(timer),
            "lora" => LoraSuite.Run(timer, arguments.Contains("--sweep")),
            "host" => HostSuite.Run(timer),
            "all" => HostSuite.Run(timer)
                .Concat(Check(timer))
                .Concat(DenseSuite.Run(timer, tokens, sweep: false))
                .Concat(DenseFromBFloat16.Run(timer, DenseFromBFloat16.Tokens))
                .Concat(GroupedSuite.Run(timer))
                .Concat(BatchedSuite.Run(timer))
                .Concat(Int8Suite.Run(timer, [4096], sweep: false))
                .Concat(LoraSuite.Run(timer, sweep: false))
                .Concat(QuantSuite.Run(timer)),
            _ => null,
        };
        if (running == null)
            return Fail($"suite '{suite}' is unknown; expected check, grouped-check, dense, dense-bf16, grouped, batched, int8, lora, quant, host or all.");

        var results = new List<SuiteResult>();
        foreach (var result in running)
        {
            results.Add(result);
            Console.WriteLine(result);
        }
        if (Option(arguments, "--json") is { } file)
        {
            var rows = results.Select(row => new
            {
                row.Suite,
                row.M,
                row.N,
                row.K,
                row.Variant,
                row.Error,
                row.Operations,
                row.Bytes,
                SpacedUs = row.SpacedMicroseconds,
                SustainedUs = row.SustainedMicroseconds,
            });
            var report = new
            {
                Device = timer.DeviceName,
                Driver = timer.DriverVersion,
                Date = DateTime.UtcNow.ToString("yyyy-MM-dd"),
                Commit = Commit(),
                Results = rows,
            };
            File.WriteAllText(file, JsonSerializer.Serialize(report, Json));
        }
        return 0;
    }

    private static IEnumerable<SuiteResult> Check(GpuTimer timer)
        => DenseSuite.Check(timer).Concat(GroupedSuite.Check(timer)).Concat(Int8Suite.Check(timer));

    // The SDK appends the commit that was checked out to the version.
    private static string? Commit()
        => typeof(SuiteCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+').ElementAtOrDefault(1);

    private static string? Option(string[] arguments, string name)
    {
        int index = Array.IndexOf(arguments, name);
        return index >= 0 && index + 1 < arguments.Length ? arguments[index + 1] : null;
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine(message);
        return 2;
    }
}
