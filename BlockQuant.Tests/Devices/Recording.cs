using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Devices;

/// <summary>Operators recorded once: a CUDA graph where there is CUDA, else the calls themselves.</summary>
internal sealed class Recording : IDisposable
{
    private readonly AcceleratorStream stream;
    private readonly Action<AcceleratorStream> operators;
    private readonly ComputeDevice device;
    private readonly IntPtr executable;

    private Recording(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> operators, IntPtr executable)
    {
        this.device = device;
        this.stream = stream;
        this.operators = operators;
        this.executable = executable;
    }

    public static Recording Of(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> operators)
    {
        if (device.Kind == DeviceKind.Cuda)
        {
            return new Recording(device, stream, operators, Capture(device.CudaStreamHandle(stream), stream, operators));
        }

        return new Recording(device, stream, operators, IntPtr.Zero);
    }

    public void Replay()
    {
        if (executable == IntPtr.Zero)
        {
            operators(stream);
            return;
        }

        CudaDriver.Check(CudaDriver.cuGraphLaunch(executable, device.CudaStreamHandle(stream)));
    }

    public void Dispose()
    {
        if (executable != IntPtr.Zero)
        {
            CudaDriver.Check(CudaDriver.cuGraphExecDestroy(executable));
        }
    }

    private static IntPtr Capture(IntPtr handle, AcceleratorStream stream, Action<AcceleratorStream> operators)
    {
        // Mode 0 fails on whatever no graph can hold, in any thread.
        CudaDriver.Check(CudaDriver.cuStreamBeginCapture(handle, 0));
        operators(stream);
        CudaDriver.Check(CudaDriver.cuStreamEndCapture(handle, out IntPtr graph));
        CudaDriver.Check(CudaDriver.cuGraphInstantiateWithFlags(out IntPtr executable, graph, 0));
        CudaDriver.Check(CudaDriver.cuGraphDestroy(graph));
        return executable;
    }
}
