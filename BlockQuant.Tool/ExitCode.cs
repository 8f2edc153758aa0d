namespace BlockQuant.Tool;

/// <summary>What the process returns; docs/tool.md lists them for scripts.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary><c>verify</c> found differences beyond the bounds.</summary>
    public const int Differences = 1;

    /// <summary>Arguments, a file or a folder are not what the command takes.</summary>
    public const int BadInput = 2;

    /// <summary>Reading or writing failed: a full disk, a lost permission. An interrupted job can be resumed.</summary>
    public const int StorageFailure = 3;

    /// <summary>The device asked for is missing or failed.</summary>
    public const int DeviceFailure = 4;
}
