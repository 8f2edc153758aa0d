namespace BlockQuant.Benchmarks.Reports;

internal static class Arguments
{
    /// <summary>The argument after an option's name, or null.</summary>
    public static string? Option(string[] arguments, string name)
    {
        int index = Array.IndexOf(arguments, name);
        return index >= 0 && index + 1 < arguments.Length ? arguments[index + 1] : null;
    }
}
