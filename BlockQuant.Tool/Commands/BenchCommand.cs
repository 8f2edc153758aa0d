using System.CommandLine;
using BlockQuant.Scheduling;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary><c>bench</c>: a short timing of quantization and multiplication on one device.</summary>
internal static class BenchCommand
{
    public static Command Create(ToolConsole console)
    {
        Option<DeviceKind?> kind = Arguments.Choice<DeviceKind?>(
            "--device", "The kind of device; the best one unless given", null, ("cuda", DeviceKind.Cuda), ("opencl", DeviceKind.OpenCL), ("cpu", DeviceKind.Cpu));
        var index = new Option<int>("--index") { Description = "Which device of the kind that --device names." };
        Option<ElementFormat> format = Arguments.Choice(
            "--format", "What codes the operands have", ElementFormat.Float8E4M3, ("fp8", ElementFormat.Float8E4M3), ("int8", ElementFormat.Int8));
        Option<int?> rows = Extent("--m", "Rows of the activations.");
        Option<int?> outputs = Extent("--n", "Rows of the weight, or of each expert's.");
        Option<int?> depth = Extent("--k", "Columns of both.");
        Option<int?> experts = Extent("--experts", "Multiply rows sorted by expert with the weights of so many experts, each row's drawn at random; fp8 only.");
        var iterations = new Option<int>("--iterations") { Description = "Timed runs, of which the median counts.", DefaultValueFactory = _ => 10 };
        Option<bool> json = Arguments.Json();
        var command = new Command("bench", "Times quantization and multiplication on a device.") { kind, index, format, rows, outputs, depth, experts, iterations, json };
        command.SetAction(parsed =>
        {
            using ComputeDevice device = parsed.GetValue(kind) is { } forced
                ? ComputeDevice.Create(forced, parsed.GetValue(index))
                : ComputeDevice.CreateDefault();

            // A processor gets a shape it is done with in seconds, a GPU one that fills it.
            bool isCpu = device.Kind == DeviceKind.Cpu;
            var shape = new BenchShape(
                parsed.GetValue(rows) ?? 16, parsed.GetValue(outputs) ?? (isCpu ? 256 : 7168), parsed.GetValue(depth) ?? (isCpu ? 512 : 4096));
            int? count = parsed.GetValue(experts);
            RequirePositive(("--m", shape.Rows), ("--n", shape.Outputs), ("--k", shape.Depth), ("--experts", count), ("--iterations", parsed.GetValue(iterations)));
            if (count is not null && parsed.GetValue(format) != ElementFormat.Float8E4M3)
            {
                throw new InputException($"--experts {count} with --format int8: expected --format fp8, experts' weights have no other.");
            }

            IReadOnlyList<BenchResult> results = count is { } many
                ? ExpertBench.Run(device, shape, many, parsed.GetValue(iterations))
                : DeviceBench.Run(device, parsed.GetValue(format), shape, parsed.GetValue(iterations));
            if (parsed.GetValue(json))
            {
                console.WriteJson(new { Device = device.Name, Kind = device.Kind.ToString(), shape.Rows, shape.Outputs, shape.Depth, Experts = count, Results = results });
            }
            else
            {
                console.WriteLine($"{device}: M = {shape.Rows}, N = {shape.Outputs}, K = {shape.Depth}{(count is null ? string.Empty : $", {count} experts")}");
                console.WriteTable(
                    ["operation", "median ms", "GB/s", "Gop/s"],
                    results.Select(result => new[]
                    {
                        result.Operation,
                        PlainText.Number(result.MedianSeconds * 1e3),
                        PlainText.Number(result.BytesPerSecond / 1e9),
                        result.OperationsPerSecond is { } rate ? PlainText.Number(rate / 1e9) : string.Empty,
                    }));
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static void RequirePositive(params (string Option, long? Value)[] numbers)
    {
        foreach ((string option, long? value) in numbers)
        {
            if (value < 1)
            {
                throw new InputException($"{option} {value}: expected at least 1.");
            }
        }
    }

    private static Option<int?> Extent(string name, string description) => new(name) { Description = description };
}
