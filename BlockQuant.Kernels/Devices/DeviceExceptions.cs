namespace BlockQuant;

/// <summary>A device reported a fault: a failed launch, a lost context, an illegal access.</summary>
public class DeviceException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What failed, and on which device.</param>
    /// <param name="innerException">What the driver or runtime reported.</param>
    public DeviceException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>The asked device is not there or cannot be used.</summary>
public sealed class DeviceUnavailableException : DeviceException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">Which device was asked for, and why it cannot be used.</param>
    /// <param name="innerException">What the driver or runtime reported.</param>
    public DeviceUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>A device has not enough memory for an allocation.</summary>
public sealed class DeviceOutOfMemoryException : DeviceException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="deviceName">The device.</param>
    /// <param name="requestedBytes">Bytes asked for.</param>
    /// <param name="totalBytes">Bytes of memory the device has, or 0 where that is unknown.</param>
    /// <param name="innerException">What the driver or runtime reported.</param>
    public DeviceOutOfMemoryException(string deviceName, long requestedBytes, long totalBytes, Exception? innerException = null)
        : base($"{deviceName} could not allocate {requestedBytes} bytes{(totalBytes == 0 ? "" : $" of {totalBytes} in all")}.", innerException)
    {
        RequestedBytes = requestedBytes;
        TotalBytes = totalBytes;
    }

    /// <summary>Bytes asked for.</summary>
    public long RequestedBytes { get; }

    /// <summary>Bytes of memory the device has, or 0 where that is unknown.</summary>
    public long TotalBytes { get; }
}

/// <summary>The library carries no PTX of a kernel, and without ILGPU nothing can compile it.</summary>
public sealed class KernelUnavailableException : DeviceException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="kernelName">The kernel.</param>
    public KernelUnavailableException(string kernelName)
        : base($"The assembly carries no PTX of kernel '{kernelName}'; generate-ptx writes it.")
        => KernelName = kernelName;

    /// <summary>The kernel.</summary>
    public string KernelName { get; }
}
