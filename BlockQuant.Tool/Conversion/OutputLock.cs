namespace BlockQuant.Tool.Conversion;

/// <summary>
/// The right to write an output, of one process at a time: a lock file that is held open. The operating system gives it back however the process
/// ends, so a lock file that a killed one left is no obstacle.
/// </summary>
internal sealed class OutputLock : IDisposable
{
    // EWOULDBLOCK on Linux and on macOS and the BSDs, and ERROR_SHARING_VIOLATION.
    private static readonly int[] HeldByAnother = [11, 35, unchecked((int)0x80070020)];

    private readonly FileStream file;

    private OutputLock(FileStream file) => this.file = file;

    /// <summary>Takes the right to write an output.</summary>
    /// <param name="path">The lock file.</param>
    /// <param name="output">What it is the right to, for the message.</param>
    /// <exception cref="InputException">Another process has it.</exception>
    public static OutputLock Take(string path, string output)
    {
        try
        {
            // Deleted on closing, while it is still locked: no process takes the lock of a file that is about to vanish.
            return new OutputLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose));
        }
        catch (IOException error) when (HeldByAnother.Contains(error.HResult))
        {
            throw new InputException($"{output} is being written by another process; wait for its end or choose another output.", error);
        }
    }

    /// <summary>Gives the right back and removes the lock file.</summary>
    public void Dispose() => file.Dispose();
}
