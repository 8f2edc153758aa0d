using System.Diagnostics;

namespace BlockQuant.Tests.Packages;

/// <summary>Runs scripts, as a user at a prompt would.</summary>
internal static class Shell
{
    private const int MinutesToWait = 3;

    /// <summary>Runs a script until it ends; a command that fails ends it.</summary>
    /// <param name="script">Commands of bash.</param>
    /// <param name="workingFolder">Where it starts.</param>
    /// <param name="environment">Changes what the script inherits.</param>
    /// <returns>The exit code, and what it wrote to its output and error streams.</returns>
    public static (int ExitCode, string Output, string Error) Run(string script, string workingFolder, Action<IDictionary<string, string?>>? environment = null)
    {
        var start = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c", script])
        {
            WorkingDirectory = workingFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        SetEnvironment(start.Environment);
        environment?.Invoke(start.Environment);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(MinutesToWait)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{script}\nhas not ended after {MinutesToWait} minutes.");
        }

        return (process.ExitCode, output.Result, error.Result);
    }

    private static void SetEnvironment(IDictionary<string, string?> variables)
    {
        // What the test runner's own build has set would change the builds here.
        foreach (string name in variables.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            variables.Remove(name);
        }

        variables["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        variables["DOTNET_NOLOGO"] = "1";
        variables["MSBUILDDISABLENODEREUSE"] = "1";
    }
}
