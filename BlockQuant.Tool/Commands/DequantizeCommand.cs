using System.CommandLine;
using BlockQuant.Storage;
using BlockQuant.Tool.Conversion;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary><c>dequantize</c>: codes and scales become floats again, everything else is carried over.</summary>
internal static class DequantizeCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> input = Arguments.Path("IN", "A safetensors file, or the folder of a checkpoint.");
        Argument<string> output = Arguments.Path("OUT", "The file or folder to write; an interrupted job in it is resumed.");
        Option<SafetensorsDType> dtype = Arguments.Choice(
            "--dtype",
            "The type of the weights",
            SafetensorsDType.BFloat16,
            ("bf16", SafetensorsDType.BFloat16),
            ("f16", SafetensorsDType.Float16),
            ("f32", SafetensorsDType.Float32));
        Option<bool> json = Arguments.Json();
        var command = new Command("dequantize", "Turns the quantized weights of a checkpoint back into floats.") { input, output, dtype, json };
        command.SetAction(parsed =>
        {
            using var source = Checkpoint.Open(parsed.GetValue(input)!);
            ConversionPlan plan = DequantizePlanner.Plan(source, parsed.GetValue(dtype));
            return ConversionReport.Run(source, plan, parsed.GetValue(output)!, console, parsed.GetValue(json));
        });
        return command;
    }
}
