using System.CommandLine;
using BlockQuant.Storage;
using BlockQuant.Tool.Conversion;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary><c>quantize</c>: weights become codes and block scales, everything else is carried over.</summary>
internal static class QuantizeCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> input = Arguments.Path("IN", "A safetensors file, or the folder of a checkpoint.");
        Argument<string> output = Arguments.Path("OUT", "The file or folder to write; an interrupted job in it is resumed.");
        Option<ElementFormat> format = Arguments.Choice(
            "--format", "The format of the codes", ElementFormat.Float8E4M3, ("fp8-block", ElementFormat.Float8E4M3), ("int8-block", ElementFormat.Int8));
        Option<BlockShape> block = Arguments.Block();
        Option<RoundingMode> rounding = Arguments.Choice(
            "--rounding", "How INT8 rounds", RoundingMode.Nearest, ("nearest", RoundingMode.Nearest), ("toward-zero", RoundingMode.ReferenceCompatible));
        var skip = new Option<string[]>("--skip")
        {
            Description = "Tensors to leave as they are, by name; * is any text, ? any character. May be given several times.",
            DefaultValueFactory = _ => [],
        };
        var noDefaultSkip = new Option<bool>("--no-default-skip")
        {
            Description = $"Don't skip {string.Join(", ", SkipRules.Defaults)}.",
        };
        Option<bool> json = Arguments.Json();
        var command = new Command("quantize", "Quantizes the weights of a checkpoint, in Hugging Face's layout.")
        {
            input, output, format, block, rounding, skip, noDefaultSkip, json,
        };
        command.SetAction(parsed =>
        {
            var scheme = new QuantizationScheme(parsed.GetValue(format), ScaleGranularity.Block, parsed.GetValue(block));
            var rules = new SkipRules(parsed.GetValue(skip)!, !parsed.GetValue(noDefaultSkip));
            using var source = Checkpoint.Open(parsed.GetValue(input)!);
            ConversionPlan plan = QuantizePlanner.Plan(source, scheme, parsed.GetValue(rounding), rules);
            return ConversionReport.Run(source, plan, parsed.GetValue(output)!, console, parsed.GetValue(json));
        });
        return command;
    }
}
