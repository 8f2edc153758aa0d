using BlockQuant.Devices;
using BlockQuant.Kernels;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace BlockQuant;

/// <summary>The device seam over an ILGPU accelerator, the library's own or a caller's.</summary>
internal class IlgpuDevice : ComputeDevice
{
    private readonly Accelerator accelerator;
    private readonly Context? owned;
    private readonly Lock launching = new();

    /// <summary>Wraps an accelerator; with a context, owns both.</summary>
    internal IlgpuDevice(Accelerator accelerator, Context? owned)
    {
        this.accelerator = accelerator;
        this.owned = owned;
        Traits = new DeviceTraits
        {
            Kind = accelerator.AcceleratorType switch
            {
                AcceleratorType.Cuda => DeviceKind.Cuda,
                AcceleratorType.OpenCL => DeviceKind.OpenCL,
                _ => DeviceKind.Cpu,
            },
            Name = accelerator.AcceleratorType == AcceleratorType.CPU ? "ILGPU CPU accelerator" : accelerator.Name,
            Multiprocessors = accelerator.NumMultiprocessors,
            MaxGroupSize = accelerator.MaxNumThreadsPerGroup,
            SharedMemoryPerGroup = accelerator.MaxSharedMemoryPerGroup,
            WarpSize = accelerator.WarpSize,
            ComputeCapability = accelerator is CudaAccelerator cuda ? cuda.Architecture.Major * 10 + cuda.Architecture.Minor : 0,
            MemoryBytes = accelerator.MemorySize,
        };
    }

    public override AcceleratorStream DefaultStream => accelerator.DefaultStream;

    internal override object Accelerator => accelerator;

    public override AcceleratorStream CreateStream()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        try
        {
            return accelerator.CreateStream();
        }
        catch (AcceleratorException error)
        {
            throw Fault(error);
        }
    }

    private protected override DeviceBuffer<T> AllocateMemory<T>(long length)
    {
        ObjectDisposedException.ThrowIf(accelerator.IsDisposed, this);
        long bytes = length * Interop.SizeOf<T>();
        try
        {
            return new IlgpuBuffer<T>(this, accelerator.Allocate1D<T>(Math.Max(length, 1)), length);
        }
        catch (Exception error) when (IsOutOfMemory(error))
        {
            throw new DeviceOutOfMemoryException(Name, bytes, Traits.MemoryBytes, error);
        }
        catch (AcceleratorException error)
        {
            throw Fault(error);
        }
    }

    /// <summary>A fault as the library reports it. A driver reports that of earlier work from whatever call comes next.</summary>
    internal DeviceException Fault(AcceleratorException error) => new($"{Name}: {error.Message}", error);

    private static bool IsOutOfMemory(Exception error) => error switch
    {
        OutOfMemoryException => true,
        ILGPU.Runtime.Cuda.CudaException cuda => cuda.Error == nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY),
        CLException cl => cl.Error is CLError.CL_MEM_OBJECT_ALLOCATION_FAILURE or CLError.CL_OUT_OF_RESOURCES or CLError.CL_OUT_OF_HOST_MEMORY
            or CLError.CL_INVALID_BUFFER_SIZE,
        _ => false,
    };

    public override void Synchronize()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        try
        {
            accelerator.Synchronize();
        }
        catch (AcceleratorException error)
        {
            throw Fault(error);
        }
    }

    internal override IntPtr BindCudaStream(AcceleratorStream stream)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        accelerator.Bind();
        return StreamHandle.Of(stream);
    }

    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel) => accelerator.LoadKernel(kernel.Method);

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
    {
        if (Traits.Kind != DeviceKind.OpenCL)
        {
            Start(launcher, shape, arguments, stream);
            return;
        }

        // An OpenCL kernel object holds the arguments of its next launch: clSetKernelArg is not for two threads at once.
        lock (launching)
        {
            Start(launcher, shape, arguments, stream);
        }
    }

    private void Start<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
        where TArguments : struct
    {
        var config = new KernelConfig(new Index3D(shape.Groups, shape.GroupsY, 1), new Index3D(shape.Lanes, 1, 1));
        try
        {
            ((Action<AcceleratorStream, KernelConfig, TArguments>)launcher)(stream, config, arguments);
        }
        catch (AcceleratorException error)
        {
            throw Fault(error);
        }
    }

    private protected override void Release()
    {
        if (owned is not null)
        {
            accelerator.Dispose();
            owned.Dispose();
        }
    }
}
