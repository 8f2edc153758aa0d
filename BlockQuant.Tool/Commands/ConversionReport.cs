using System.Diagnostics;
using BlockQuant.Storage;
using BlockQuant.Tool.Conversion;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary>Runs a job and says what it did.</summary>
internal static class ConversionReport
{
    public static int Run(Checkpoint source, ConversionPlan plan, string output, ToolConsole console, bool json)
    {
        long start = Stopwatch.GetTimestamp();
        ConversionResult result = new ConversionJob(source, plan, console).Run(output);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int copied = plan.Tensors.Count(tensor => tensor is CopyConversion);
        int converted = plan.Tensors.Count() - copied;
        if (json)
        {
            console.WriteJson(new
            {
                Input = source.Path,
                Output = output,
                plan.Options,
                Converted = converted,
                Copied = copied,
                Files = result.Shards,
                ResumedFiles = result.ResumedShards,
                plan.InputBytes,
                result.OutputBytes,
                Seconds = seconds,
                BlocksNotFinite = result.NotFinite,
            });
            return ExitCode.Success;
        }

        console.WriteLine(
            $"{output}: {converted} tensors converted, {copied} copied, {PlainText.Bytes(plan.InputBytes)} to {PlainText.Bytes(result.OutputBytes)} "
            + $"in {result.Shards} files ({result.ResumedShards} finished by an earlier run), {PlainText.Number(seconds)} s");
        foreach ((string name, long blocks) in result.NotFinite)
        {
            console.WriteError($"warning: {name} has {blocks} blocks that hold NaN or an infinity; every code of such a block is NaN (FP8) or 0 (INT8).");
        }

        return ExitCode.Success;
    }
}
