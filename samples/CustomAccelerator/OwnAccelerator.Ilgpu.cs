using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Samples;

/// <summary>An application's own ILGPU context and accelerator: CUDA where there is a GPU, else the processor.</summary>
internal sealed class OwnAccelerator : IDisposable
{
    private readonly Context context;
    private readonly Accelerator accelerator;

    public OwnAccelerator()
    {
        // ILGPU alone looks for libcuda.so; once the library is at work, libcuda.so.1 is found too, which is all that many machines have.
        ComputeDevice.List();

        // ILGPU runs each lane of its CPU accelerator on a thread: few of them, in groups as large as the library's kernels need.
        context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).Cuda().CPU(new CPUDevice(4, 2, Environment.ProcessorCount)));
        accelerator = context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context);
    }

    /// <summary>The library's device over it; the accelerator stays the application's.</summary>
    public ComputeDevice CreateDevice() => ComputeDevice.FromAccelerator(accelerator);

    public AcceleratorStream CreateStream() => accelerator.CreateStream();

    public OwnMemory<T> Allocate<T>(long length)
        where T : unmanaged
        => new(accelerator.Allocate1D<T>(length));

    public void Launch<TArguments>(Action<TArguments> kernel, int groups, int lanes, TArguments arguments, AcceleratorStream stream)
        where TArguments : struct
        => accelerator.LoadKernel(kernel)(stream, new KernelConfig(groups, lanes), arguments);

    public void Dispose()
    {
        accelerator.Dispose();
        context.Dispose();
    }
}

/// <summary>Memory that the application allocates with ILGPU.</summary>
internal sealed class OwnMemory<T>(MemoryBuffer1D<T, Stride1D.Dense> buffer) : IDisposable
    where T : unmanaged
{
    public ArrayView<T> View => buffer.View.BaseView;

    public void CopyFrom(T[] source, AcceleratorStream stream) => buffer.View.CopyFromCPU(stream, source);

    public T[] ToArray(AcceleratorStream stream) => buffer.View.GetAsArray1D(stream);

    public void Dispose() => buffer.Dispose();
}
