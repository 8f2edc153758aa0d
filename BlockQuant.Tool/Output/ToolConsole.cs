using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace BlockQuant.Tool.Output;

/// <summary>Results on the output stream, errors and progress on the error stream.</summary>
internal sealed class ToolConsole
{
    private const int WidthOfFiles = 240;

    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.Default,
    };

    private readonly IAnsiConsole terminal;
    private readonly IAnsiConsole? progress;

    /// <summary>A console over two writers.</summary>
    /// <param name="output">Takes results.</param>
    /// <param name="error">Takes errors and progress.</param>
    public ToolConsole(TextWriter output, TextWriter error)
    {
        Output = output;
        Error = error;
        terminal = Create(output);
        IAnsiConsole onError = Create(error);
        progress = onError.Profile is { Out.IsTerminal: true, Capabilities: { Interactive: true, Ansi: true } } ? onError : null;
    }

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    public static ToolConsole OfProcess() => new(Console.Out, Console.Error);

    public void WriteLine(string text) => Output.WriteLine(PlainText.Of(text));

    public void WriteError(string text) => Error.WriteLine("blockquant: " + PlainText.Of(text.ReplaceLineEndings(" ")));

    public void WriteJson<T>(T value) => Output.WriteLine(JsonSerializer.Serialize(value, JsonOptions));

    /// <summary>A table whose cells are plain text, never markup.</summary>
    public void WriteTable(IEnumerable<string> headings, IEnumerable<string[]> rows)
    {
        var table = new Table { Border = TableBorder.Simple };
        foreach (string heading in headings)
        {
            table.AddColumn(new TableColumn(new Text(heading)) { NoWrap = true });
        }

        foreach (string[] row in rows)
        {
            table.AddRow(row.Select(cell => new Text(PlainText.Of(cell))));
        }

        terminal.Write(table);
    }

    /// <summary>Runs work that tells how many bytes it has done; on a terminal with a bar, the rate and the time left.</summary>
    public T WithProgress<T>(string what, long totalBytes, Func<Action<long>, T> work) =>
        progress is null
            ? work(_ => { })
            : progress.Progress()
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
                .Start(context =>
                {
                    ProgressTask task = context.AddTask(Markup.Escape(what), maxValue: Math.Max(totalBytes, 1));
                    return work(bytes => task.Increment(bytes));
                });

    private static IAnsiConsole Create(TextWriter writer)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (!console.Profile.Out.IsTerminal)
        {
            // Wrapped cells would be no use to whoever reads a file or a pipe.
            console.Profile.Width = WidthOfFiles;
        }

        return console;
    }
}
