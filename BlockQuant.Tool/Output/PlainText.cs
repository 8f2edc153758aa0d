using System.Globalization;
using System.Text;

namespace BlockQuant.Tool.Output;

/// <summary>Text from files, made fit for a terminal, and numbers made fit for people.</summary>
internal static class PlainText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>Control and format characters spelled out, so that a tensor's name can't drive the terminal that shows it.</summary>
    public static string Of(string text)
    {
        if (!text.Any(NeedsSpelling))
        {
            return text;
        }

        var spelled = new StringBuilder();
        foreach (char character in text)
        {
            spelled.Append(NeedsSpelling(character) ? $"\\u{(int)character:X4}" : character);
        }

        return spelled.ToString();
    }

    public static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";

    public static string Bytes(long count)
    {
        int unit = 0;
        double value = count;
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return unit == 0 ? $"{count} B" : string.Create(CultureInfo.InvariantCulture, $"{value:F2} {Units[unit]}");
    }

    public static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    private static bool NeedsSpelling(char character) =>
        char.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
