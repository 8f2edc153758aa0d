namespace BlockQuant.Tests;

/// <summary>The checkout that the tests lie in or run in; tests that need it are in the category Source.</summary>
internal static class SourceTree
{
    public const string Category = "Source";

    public static string Root { get; } = Find();

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Find()
    {
        foreach (string start in new[] { AppContext.BaseDirectory, Environment.CurrentDirectory })
        {
            for (var folder = new DirectoryInfo(start); folder != null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "BlockQuant.sln")))
                {
                    return folder.FullName;
                }
            }
        }

        throw new DirectoryNotFoundException("The tests neither lie in a checkout of the repository nor run in one.");
    }
}
