using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hardening;

/// <summary>Which device a test opens for itself.</summary>
public enum TestedDevice
{
    /// <summary>One like that of the operator tests: the checking emulator, unless there is a GPU or BLOCKQUANT_DEVICE names another.</summary>
    Operators,

    /// <summary>The host engine.</summary>
    Host,
}

/// <summary>Opens them.</summary>
internal static class TestedDevices
{
    public static ComputeDevice Open(this TestedDevice device) => device == TestedDevice.Host ? ComputeDevice.Create(DeviceKind.Cpu) : TestDevice.Open();

    /// <summary>As many cases as the device can afford in a few seconds: a GPU takes long to open, and some are slow.</summary>
    public static int Affords(this TestedDevice device, int onHost, int onOperators)
        => device == TestedDevice.Host ? onHost
            : TestDevice.IsSlow || TestDevice.Shared.Kind != DeviceKind.Cpu ? Math.Max(4, onOperators / 8)
            : onOperators;
}
