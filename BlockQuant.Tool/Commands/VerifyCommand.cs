using System.CommandLine;
using System.Text;
using BlockQuant.Storage;
using BlockQuant.Tool.Output;
using BlockQuant.Tool.Verification;

namespace BlockQuant.Tool.Commands;

/// <summary><c>verify</c>: how far two checkpoints are apart, tensor by tensor.</summary>
internal static class VerifyCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> pathA = Arguments.Path("A", "A safetensors file or the folder of a checkpoint: the one that errors are relative to.");
        Argument<string> pathB = Arguments.Path("B", "The other one.");
        var relativeError = new Option<double>("--max-relative-error")
        {
            Description = "The largest |a - b| / |a| of a tensor (Frobenius).",
            DefaultValueFactory = _ => 0.05,
        };
        var cosine = new Option<double>("--min-cosine")
        {
            Description = "The smallest cosine of a tensor.",
            DefaultValueFactory = _ => 0.995,
        };
        var html = new Option<string?>("--html") { Description = "Also write a page with plots to this file." };
        Option<bool> json = Arguments.Json();
        var command = new Command("verify", "Compares two checkpoints, quantized or not; exits with 1 where they differ beyond the bounds.")
        {
            pathA, pathB, relativeError, cosine, html, json,
        };
        command.SetAction(parsed =>
        {
            using var a = Checkpoint.Open(parsed.GetValue(pathA)!);
            using var b = Checkpoint.Open(parsed.GetValue(pathB)!);
            var bounds = new ComparisonBounds(parsed.GetValue(relativeError), parsed.GetValue(cosine));
            var comparison = new CheckpointComparison(a, b);
            IReadOnlyList<TensorComparison> tensors = console.WithProgress("verify", comparison.TotalBytes, comparison.Run);
            var report = new ComparisonReport(a.Path, b.Path, bounds, tensors);
            if (parsed.GetValue(html) is { } page)
            {
                AtomicFile.Write(page, Encoding.UTF8.GetBytes(HtmlReport.Of(report)));
            }

            if (parsed.GetValue(json))
            {
                console.WriteJson(report.ToJson());
            }
            else
            {
                report.Write(console);
            }

            return report.Differences == 0 ? ExitCode.Success : ExitCode.Differences;
        });
        return command;
    }
}
