using System.Text;

namespace BlockQuant.Tests.Packages;

/// <summary>docs/getting-started.md as a script: its commands in order, and each program written to the file that the line above it names.</summary>
internal static class GettingStarted
{
    public static string Script(string document)
    {
        var script = new StringBuilder();
        string[] lines = document.ReplaceLineEndings("\n").Split('\n');
        string file = string.Empty;
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].StartsWith('`') && lines[i].EndsWith("`:", StringComparison.Ordinal))
            {
                file = lines[i][1..^2];
            }

            if (lines[i] is "```sh" or "```csharp")
            {
                int end = Array.IndexOf(lines, "```", i);
                string block = string.Join('\n', lines[(i + 1)..end]);
                script.Append(lines[i] == "```sh" ? $"{block}\n" : $"cat > {file} <<'END-OF-PROGRAM'\n{block}\nEND-OF-PROGRAM\n");
                i = end;
            }
        }

        return script.ToString();
    }
}
