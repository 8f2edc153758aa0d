using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace BlockQuant.Tool.Commands;

/// <summary>Arguments and options that several commands have.</summary>
internal static class Arguments
{
    public static Option<bool> Json() => new("--json") { Description = "Write the result as JSON." };

    public static Argument<string> Path(string name, string description) => new(name) { Description = description };

    /// <summary>An option whose value is one of a few words.</summary>
    public static Option<T> Choice<T>(string name, string description, T usual, params (string Word, T Value)[] choices) => new(name)
    {
        Description = $"{description}: {Words(choices)}.",
        DefaultValueFactory = _ => usual,
        CustomParser = result => Choose(name, result, choices),
    };

    public static Option<BlockShape> Block()
    {
        var usual = new BlockShape(128, 128);
        return new Option<BlockShape>("--block")
        {
            Description = "Rows and columns that share a scale, as ROWSxCOLUMNS.",
            DefaultValueFactory = _ => usual,
            CustomParser = result =>
            {
                string text = result.Tokens.Single().Value;
                string[] extents = text.Split('x');
                if (extents.Length == 2 && Extent(extents[0]) is { } rows && Extent(extents[1]) is { } columns)
                {
                    return new BlockShape(rows, columns);
                }

                result.AddError($"--block '{text}': expected ROWSxCOLUMNS, for example 128x128.");
                return usual;
            },
        };
    }

    private static T Choose<T>(string name, ArgumentResult result, (string Word, T Value)[] choices)
    {
        string text = result.Tokens.Single().Value;
        foreach ((string word, T value) in choices)
        {
            if (word == text)
            {
                return value;
            }
        }

        result.AddError($"{name} '{text}': expected one of {Words(choices)}.");
        return choices[0].Value;
    }

    private static string Words<T>((string Word, T Value)[] choices) => string.Join(", ", choices.Select(choice => choice.Word));

    private static int? Extent(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int extent) && extent > 0 ? extent : null;
}
