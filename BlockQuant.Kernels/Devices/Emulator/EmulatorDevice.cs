using BlockQuant.Emulator;
using BlockQuant.Kernels;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The device seam over the emulator: the processor, with every access checked.</summary>
internal class EmulatorDevice : ComputeDevice
{
    private readonly EmulatorAccelerator accelerator;

    internal EmulatorDevice(EmulatorAccelerator accelerator)
    {
        this.accelerator = accelerator;
        DefaultStream = NewStream();
        Traits = new DeviceTraits
        {
            Kind = DeviceKind.Cpu,
            Name = "emulator",
            Multiprocessors = accelerator.MaxThreads,
            MaxGroupSize = EmulatorAccelerator.MaxGroupSize,
            SharedMemoryPerGroup = accelerator.SharedMemoryPerGroup,
            WarpSize = 1,
            MemoryBytes = accelerator.MemoryLimit,
        };
    }

    public override AcceleratorStream DefaultStream { get; }

    internal override object Accelerator => accelerator;

    public override AcceleratorStream CreateStream()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return NewStream();
    }

    private protected override DeviceBuffer<T> AllocateMemory<T>(long length)
    {
        long bytes = length * ArrayView<T>.ElementSize;
        try
        {
            return new EmulatorBuffer<T>(this, accelerator, accelerator.Allocate(bytes), length);
        }
        catch (EmulatorOutOfMemoryException error)
        {
            throw new DeviceOutOfMemoryException(Name, bytes, Traits.MemoryBytes, error);
        }
    }

    public override void Synchronize() => ObjectDisposedException.ThrowIf(IsDisposed, this);

    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel) => (Action<LaunchShape, TArguments>)((shape, arguments) =>
        accelerator.Launch(kernel.Name, kernel.Method, new KernelConfig(new Index3D(shape.Groups, shape.GroupsY, 1), new Index3D(shape.Lanes, 1, 1)), arguments));

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
        => ((Action<LaunchShape, TArguments>)launcher)(shape, arguments);

    private protected override void Release()
    {
    }

    private EmulatorStream NewStream() => new() { Owner = accelerator };
}
