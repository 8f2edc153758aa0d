using System.Diagnostics;
using System.Runtime.InteropServices;

namespace BlockQuant.Tests.Packages;

/// <summary>
/// A user on a fresh machine: a home folder of their own, no package source but those they add. Packages that the libraries depend on come from
/// the machine's NuGet folder, so nothing is downloaded.
/// </summary>
internal sealed class Newcomer : IDisposable
{
    private const int MinutesToWait = 3;

    private readonly TemporaryFolder folder = new();

    public Newcomer()
    {
        Directory.CreateDirectory(Home);
        string nuget = Path.Combine(Home, ".nuget", "NuGet");
        Directory.CreateDirectory(nuget);
        File.WriteAllText(Path.Combine(nuget, "NuGet.Config"), "<configuration><packageSources><clear /></packageSources></configuration>");
    }

    public string Home => folder.File("home");

    /// <summary>Runs a script in the home folder; a command that fails ends it and the test.</summary>
    /// <returns>What it wrote to its output stream.</returns>
    public string Run(string script, string? workingFolder = null)
    {
        var start = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c", script])
        {
            WorkingDirectory = workingFolder ?? Home,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        SetEnvironment(start.Environment);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(MinutesToWait)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{script}\nhas not ended after {MinutesToWait} minutes.");
        }

        process.ExitCode.Should().Be(0, $"of\n{script}\nit wrote\n{output.Result}\n{error.Result}\n");
        return output.Result;
    }

    public void Dispose() => folder.Dispose();

    private void SetEnvironment(IDictionary<string, string?> variables)
    {
        // What the test runner's own build has set would change the builds here.
        foreach (string name in variables.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            variables.Remove(name);
        }

        string machinePackages = variables.TryGetValue("NUGET_PACKAGES", out string? set) && !string.IsNullOrEmpty(set)
            ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        variables["NUGET_PACKAGES"] = Path.Combine(Home, ".nuget", "packages");
        variables["NUGET_FALLBACK_PACKAGES"] = machinePackages;
        variables["HOME"] = Home;
        variables["DOTNET_CLI_HOME"] = Home;
        variables["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        variables["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        variables["DOTNET_NOLOGO"] = "1";
        variables["DOTNET_GENERATE_ASPNET_CERTIFICATE"] = "false";
        variables["MSBUILDDISABLENODEREUSE"] = "1";
        variables["PATH"] = Path.Combine(Home, ".dotnet", "tools") + Path.PathSeparator + variables["PATH"];
    }
}
