using BlockQuant.Emulator;
using BlockQuant.Kernels.Cuda;
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

    private static List<DeviceDescription> Discover()
    {
        var found = new List<DeviceDescription>();
        for (int i = 0; i < CudaDevices(); i++)
        {
            using ComputeDevice? device = TryOpen(DeviceKind.Cuda, i, out string reason);
            found.Add(new DeviceDescription(DeviceKind.Cuda, i, CudaDevice.NameOf(i), device is not null, reason));
        }

        if (found.Count == 0)
        {
            found.Add(new DeviceDescription(DeviceKind.Cuda, 0, nameof(DeviceKind.Cuda), false, CudaDriver.WhyUnavailable));
        }

        found.Add(new DeviceDescription(DeviceKind.OpenCL, 0, nameof(DeviceKind.OpenCL), false, NoIlgpu));
        found.Add(new DeviceDescription(DeviceKind.Cpu, 0, HostDevice.Title, true, string.Empty));
        return found;
    }

    private static ComputeDevice? TryOpen(DeviceKind kind, int index, out string reason)
    {
        reason = kind switch
        {
            DeviceKind.Cuda => WhyNoCuda(index),
            DeviceKind.OpenCL => NoIlgpu,
            _ => index == 0 ? string.Empty : "there are 1",
        };
        try
        {
            return reason.Length > 0 ? null : kind == DeviceKind.Cuda ? new CudaDevice(index) : new HostDevice();
        }
        catch (CudaException error)
        {
            reason = error.Message;
            return null;
        }
    }

    /// <summary>A CUDA device whose kernels are embedded is the only kind that this build has.</summary>
    private static ComputeDevice? TryOpenEmbedded(int index, out string reason) => TryOpen(DeviceKind.Cuda, index, out reason);

    private static string WhyNoCuda(int index)
    {
        if (index >= CudaDevices())
        {
            return CudaDriver.IsAvailable ? $"there are {CudaDevices()}" : CudaDriver.WhyUnavailable;
        }

        int capability = CudaDevice.ComputeCapabilityOf(index);
        return capability >= CudaDevice.MinComputeCapability
            ? string.Empty
            : $"its compute capability is {capability / 10}.{capability % 10}, and the embedded kernels need {CudaDevice.MinComputeCapability / 10}.0";
    }

    private static int CudaDevices()
    {
        if (!CudaDriver.IsAvailable)
        {
            return 0;
        }

        CudaDriver.Check(CudaDriver.cuDeviceGetCount(out int count));
        return count;
    }
}
