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
        Option<int?> outputs = Extent("--n", "Rows of the weight.");
        Option<int?> depth = Extent("--k", "Columns of both.");
        var iterations = new Option<int>("--iterations") { Description = "Timed runs, of which the median counts.", DefaultValueFactory = _ => 10 };
        Option<bool> json = Arguments.Json();
        var command = new Command("bench", "Times quantization and multiplication on a device.") { kind, index, format, rows, outputs, depth, iterations, json };
        command.SetAction(parsed =>
        {
            using ComputeDevice device = parsed.GetValue(kind) is { } forced
                ? ComputeDevice.Create(forced, parsed.GetValue(index))
                : ComputeDevice.CreateDefault();

            // A processor gets a shape it is done with in seconds, a GPU one that fills it.
            bool isCpu = device.Kind == DeviceKind.Cpu;
            var shape = new BenchShape(
                parsed.GetValue(rows) ?? 16, parsed.GetValue(outputs) ?? (isCpu ? 256 : 7168), parsed.GetValue(depth) ?? (isCpu ? 512 : 4096));
            if (shape.Rows < 1 || shape.Outputs < 1 || shape.Depth < 1 || parsed.GetValue(iterations) < 1)
            {
                throw new InputException("--m, --n, --k and --iterations: expected at least 1.");
            }

            IReadOnlyList<BenchResult> results = DeviceBench.Run(device, parsed.GetValue(format), shape, parsed.GetValue(iterations));
            if (parsed.GetValue(json))
            {
                console.WriteJson(new { Device = device.Name, Kind = device.Kind.ToString(), shape.Rows, shape.Outputs, shape.Depth, Results = results });
            }
            else
            {
                console.WriteLine($"{device}: M = {shape.Rows}, N = {shape.Outputs}, K = {shape.Depth}");
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

    private static Option<int?> Extent(string name, string description) => new(name) { Description = description };
}
