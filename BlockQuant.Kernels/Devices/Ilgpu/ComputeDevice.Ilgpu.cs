using System.Reflection;
using System.Runtime.InteropServices;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace BlockQuant;

public abstract partial class ComputeDevice
{
    private const string PoclMethod = "POCL_WORK_GROUP_METHOD";

    static ComputeDevice()
    {
        // ILGPU asks for "cuda" and "OpenCL"; many machines have only the versioned names.
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // The application has its own resolver; it decides.
        }
    }

    /// <summary>Uses a caller's own accelerator. The caller keeps it and disposes it after the device.</summary>
    /// <param name="accelerator">The accelerator.</param>
    public static ComputeDevice FromAccelerator(Accelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        return new IlgpuDevice(accelerator, owned: null);
    }

    private static List<DeviceDescription> Discover()
    {
        var found = new List<DeviceDescription>();
        foreach (DeviceKind kind in (ReadOnlySpan<DeviceKind>)[DeviceKind.Cuda, DeviceKind.OpenCL])
        {
            Context? context = null;
            try
            {
                context = CreateContext(kind);
                List<Device> devices = DevicesOf(context, kind);
                for (int i = 0; i < devices.Count; i++)
                {
                    using ComputeDevice? device = TryOpen(kind, i, out string reason);
                    found.Add(new DeviceDescription(kind, i, devices[i].Name, device is not null, reason));
                }

                if (devices.Count == 0)
                {
                    found.Add(new DeviceDescription(kind, 0, kind.ToString(), false, WhyNone(kind)));
                }
            }
            catch (Exception error)
            {
                found.Add(new DeviceDescription(kind, 0, kind.ToString(), false, error.Message));
            }
            finally
            {
                context?.Dispose();
            }
        }

        found.Add(new DeviceDescription(DeviceKind.Cpu, 0, HostDevice.Title, true, string.Empty));
        return found;
    }

    private static IlgpuDevice? TryOpen(DeviceKind kind, int index, out string reason)
        => TryOpen(kind, index, (accelerator, context) => kind == DeviceKind.Cpu ? new HostDevice(accelerator, context) : new IlgpuDevice(accelerator, context), out reason);

    private static IlgpuDevice? TryOpenEmbedded(int index, out string reason)
        => TryOpen(DeviceKind.Cuda, index, (accelerator, context) => new EmbeddedKernelsDevice(accelerator, context), out reason);

    private static IlgpuDevice? TryOpen(DeviceKind kind, int index, Func<Accelerator, Context, IlgpuDevice> open, out string reason)
    {
        Context? context = null;
        try
        {
            context = CreateContext(kind);
            List<Device> devices = DevicesOf(context, kind);
            if (index >= devices.Count)
            {
                reason = devices.Count == 0 ? WhyNone(kind) : $"there are {devices.Count}";
                context.Dispose();
                return null;
            }

            if (devices[index] is CLDevice { PlatformName: "Portable Computing Language" } && Environment.GetEnvironmentVariable(PoclMethod) != "cbs")
            {
                // Its default method aborts the process on a kernel with barriers in nested loops.
                reason = $"PoCL compiles barriers in loops only with the environment variable {PoclMethod}=cbs, which is not set";
                context.Dispose();
                return null;
            }

            Accelerator accelerator = devices[index].CreateAccelerator(context);
            IlgpuDevice device = open(accelerator, context);
            reason = string.Empty;
            return device;
        }
        catch (Exception error)
        {
            context?.Dispose();
            reason = error.Message;
            return null;
        }
    }

    private static Context CreateContext(DeviceKind kind) => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive);
        switch (kind)
        {
            case DeviceKind.Cuda:
                builder.Cuda();
                break;
            case DeviceKind.OpenCL:
                // Devices without the generic address space stay in the list, so that the reason can be told.
                builder.OpenCL(_ => true);
                break;
            default:
                // One OS thread stands for each lane: small groups, one group a core.
                builder.CPU(new CPUDevice(4, 2, Environment.ProcessorCount));
                break;
        }
    });

    /// <summary>The devices of one kind: a context without any gets a CPU device from ILGPU unasked.</summary>
    private static List<Device> DevicesOf(Context context, DeviceKind kind)
    {
        AcceleratorType type = kind switch
        {
            DeviceKind.Cuda => AcceleratorType.Cuda,
            DeviceKind.OpenCL => AcceleratorType.OpenCL,
            _ => AcceleratorType.CPU,
        };
        var devices = new List<Device>();
        foreach (Device device in context.Devices)
        {
            if (device.AcceleratorType == type)
            {
                devices.Add(device);
            }
        }

        return devices;
    }

    private static string WhyNone(DeviceKind kind)
    {
        string library = LibraryNames(kind)[0];
        return LibraryNames(kind).Any(name => NativeLibrary.TryLoad(name, out _))
            ? $"the driver library {library} is here but reports no device"
            : $"the driver library {library} was not found";
    }

    private static string[] LibraryNames(DeviceKind kind) => (kind, OperatingSystem.IsWindows()) switch
    {
        (DeviceKind.Cuda, true) => ["nvcuda"],
        (DeviceKind.Cuda, false) => ["libcuda.so.1", "libcuda.so"],
        (_, true) => ["opencl"],
        (_, false) => ["libOpenCL.so.1", "libOpenCL.so"],
    };

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        DeviceKind? kind = name switch { "cuda" => DeviceKind.Cuda, "OpenCL" => DeviceKind.OpenCL, _ => null };
        if (kind is { } known)
        {
            foreach (string candidate in LibraryNames(known))
            {
                if (NativeLibrary.TryLoad(candidate, out nint handle))
                {
                    return handle;
                }
            }
        }

        return 0;
    }
}
