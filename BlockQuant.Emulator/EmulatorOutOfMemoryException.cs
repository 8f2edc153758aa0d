namespace BlockQuant.Emulator;

/// <summary>An allocation passes the accelerator's memory limit, or what the system can give.</summary>
public sealed class EmulatorOutOfMemoryException : Exception
{
    internal EmulatorOutOfMemoryException(long requestedBytes, long availableBytes, Exception? cause = null)
        : base($"{requestedBytes} bytes asked for, {availableBytes} bytes available.", cause)
    {
        RequestedBytes = requestedBytes;
        AvailableBytes = availableBytes;
    }

    /// <summary>The bytes asked for.</summary>
    public long RequestedBytes { get; }

    /// <summary>The bytes left below the accelerator's limit.</summary>
    public long AvailableBytes { get; }
}
