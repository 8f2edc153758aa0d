using BlockQuant.Emulator;
using BlockQuant.Scheduling;

namespace BlockQuant;

public abstract partial class ComputeDevice
{
    private const string NoIlgpu = "this build has no ILGPU package, which compiles kernels for it";

    /// <summary>Uses a caller's own emulator, with its options.</summary>
    /// <param name="accelerator">The emulator.</param>
    public static ComputeDevice FromAccelerator(EmulatorAccelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        return new EmulatorDevice(accelerator);
    }

    private static List<DeviceDescription> Discover() =>
    [
        new(DeviceKind.Cuda, 0, nameof(DeviceKind.Cuda), false, NoIlgpu),
        new(DeviceKind.OpenCL, 0, nameof(DeviceKind.OpenCL), false, NoIlgpu),
        new(DeviceKind.Cpu, 0, HostDevice.Title, true, string.Empty),
    ];

    private static HostDevice? TryOpen(DeviceKind kind, int index, out string reason)
    {
        if (kind != DeviceKind.Cpu)
        {
            reason = NoIlgpu;
            return null;
        }

        reason = index == 0 ? string.Empty : "there are 1";
        return index == 0 ? new HostDevice() : null;
    }
}
