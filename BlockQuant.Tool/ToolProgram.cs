using System.CommandLine;
using System.CommandLine.Help;
using BlockQuant.Storage;
using BlockQuant.Tool.Commands;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool;

/// <summary>The whole tool: arguments in, an exit code out, every error one line on the error stream.</summary>
internal static class ToolProgram
{
    public static int Run(string[] args, ToolConsole console)
    {
        var root = new RootCommand("Inspects, quantizes, dequantizes and verifies safetensors checkpoints in block-scaled FP8 and INT8.")
        {
            InspectCommand.Create(console),
            QuantizeCommand.Create(console),
            DequantizeCommand.Create(console),
            VerifyCommand.Create(console),
            DevicesCommand.Create(console),
            BenchCommand.Create(console),
        };

        // A path that begins with @ is a path, not a file of arguments.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            console.WriteError($"{parsed.Errors[0].Message} `blockquant {Name(parsed)}--help` lists what there is.");
            return ExitCode.BadInput;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { Output = console.Output, Error = console.Error, EnableDefaultExceptionHandler = false });
        }
        catch (Exception error) when (CodeOf(error) is { } code)
        {
            console.WriteError(error.Message);
            return code;
        }
    }

    private static int? CodeOf(Exception error) => error switch
    {
        InputException or SafetensorsException or ArgumentException or FileNotFoundException or DirectoryNotFoundException or PathTooLongException => ExitCode.BadInput,
        DeviceException => ExitCode.DeviceFailure,
        IOException or UnauthorizedAccessException => ExitCode.StorageFailure,
        _ => null,
    };

    private static string Name(ParseResult parsed) => parsed.CommandResult.Command is RootCommand ? string.Empty : parsed.CommandResult.Command.Name + " ";
}
