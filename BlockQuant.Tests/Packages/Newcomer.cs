using System.Runtime.InteropServices;

namespace BlockQuant.Tests.Packages;

/// <summary>
/// A user on a fresh machine: a home folder of their own, no package source but those they add. Packages that the libraries depend on come from
/// the machine's NuGet folder, so nothing is downloaded.
/// </summary>
internal sealed class Newcomer : IDisposable
{
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
        (int exitCode, string output, string error) = Shell.Run(script, workingFolder ?? Home, SetEnvironment);
        exitCode.Should().Be(0, $"of\n{script}\nit wrote\n{output}\n{error}\n");
        return output;
    }

    public void Dispose() => folder.Dispose();

    private void SetEnvironment(IDictionary<string, string?> variables)
    {
        string machinePackages = variables.TryGetValue("NUGET_PACKAGES", out string? set) && !string.IsNullOrEmpty(set)
            ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        variables["NUGET_PACKAGES"] = Path.Combine(Home, ".nuget", "packages");
        variables["NUGET_FALLBACK_PACKAGES"] = machinePackages;
        variables["HOME"] = Home;
        variables["DOTNET_CLI_HOME"] = Home;
        variables["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        variables["DOTNET_GENERATE_ASPNET_CERTIFICATE"] = "false";
        variables["PATH"] = Path.Combine(Home, ".dotnet", "tools") + Path.PathSeparator + variables["PATH"];
    }
}
