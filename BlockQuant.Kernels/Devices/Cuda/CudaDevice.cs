using System.Runtime.InteropServices;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The device seam over the CUDA driver alone, for builds without ILGPU: every kernel comes from the PTX that the assembly carries.</summary>
internal sealed class CudaDevice : ComputeDevice
{
    /// <summary>The least compute capability, times ten, that the embedded PTX runs on.</summary>
    public const int MinComputeCapability = 70;

    private readonly CudaContext context;

    internal CudaDevice(int ordinal)
    {
        context = CudaContext.Of(ordinal);
        DefaultStream = CudaDriverStream.Null(context);
        CudaDriver.Check(CudaDriver.cuDeviceTotalMem(out nuint memory, context.Device));
        Traits = new DeviceTraits
        {
            Kind = DeviceKind.Cuda,
            Name = NameOf(ordinal),
            Multiprocessors = CudaDriver.DeviceAttribute(context.Device, CudaDeviceAttribute.MultiprocessorCount),
            MaxGroupSize = CudaDriver.DeviceAttribute(context.Device, CudaDeviceAttribute.MaxThreadsPerBlock),
            SharedMemoryPerGroup = CudaDriver.DeviceAttribute(context.Device, CudaDeviceAttribute.MaxSharedMemoryPerBlock),
            WarpSize = CudaDriver.DeviceAttribute(context.Device, CudaDeviceAttribute.WarpSize),
            ComputeCapability = ComputeCapabilityOf(ordinal),
            MemoryBytes = (long)memory,
        };
    }

    public override AcceleratorStream DefaultStream { get; }

    internal override object Accelerator => context;

    /// <summary>The name that the driver gives a device.</summary>
    public static unsafe string NameOf(int ordinal)
    {
        byte* name = stackalloc byte[256];
        CudaDriver.Check(CudaDriver.cuDeviceGet(out int device, ordinal));
        CudaDriver.Check(CudaDriver.cuDeviceGetName(name, 256, device));
        return Marshal.PtrToStringUTF8((IntPtr)name)!;
    }

    /// <summary>The compute capability of a device, times ten.</summary>
    public static int ComputeCapabilityOf(int ordinal)
    {
        CudaDriver.Check(CudaDriver.cuDeviceGet(out int device, ordinal));
        return CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.ComputeCapabilityMajor) * 10
            + CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.ComputeCapabilityMinor);
    }

    public override AcceleratorStream CreateStream()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return CudaDriverStream.Create(context);
    }

    public override void Synchronize()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        context.Bind();
        CudaDriver.Check(CudaDriver.cuCtxSynchronize());
    }

    internal override IntPtr BindCudaStream(AcceleratorStream stream)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return CudaDriverStream.Bind(stream, context);
    }

    private protected override DeviceBuffer<T> AllocateMemory<T>(long length)
    {
        long bytes = checked(length * ArrayView<T>.ElementSize);
        CudaMemory memory = CudaMemory.TryAllocate(context, bytes) ?? throw new DeviceOutOfMemoryException(Name, bytes, Traits.MemoryBytes);
        return new CudaBuffer<T>(this, memory, length);
    }

    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel)
        => (EmbeddedKernel.Launcher<TArguments>)context.Load(kernel).Launch;

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
        => ((EmbeddedKernel.Launcher<TArguments>)launcher)(shape, arguments, BindCudaStream(stream));

    private protected override void Release()
    {
    }
}
