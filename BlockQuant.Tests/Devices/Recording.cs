#if !EMULATOR
using BlockQuant.Devices;
using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;
#endif
using ILGPU.Runtime;

namespace BlockQuant.Tests.Devices;

/// <summary>Operators recorded once: a CUDA graph where there is CUDA, else the calls themselves.</summary>
internal sealed class Recording : IDisposable
{
    private readonly AcceleratorStream stream;
    private readonly Action<AcceleratorStream> operators;
    private readonly IntPtr executable;

    private Recording(AcceleratorStream stream, Action<AcceleratorStream> operators, IntPtr executable)
    {
        this.stream = stream;
        this.operators = operators;
        this.executable = executable;
    }

    public static Recording Of(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> operators)
    {
#if !EMULATOR
        if (device.Kind == DeviceKind.Cuda)
        {
            return new Recording(stream, operators, Capture(StreamHandle.Of(stream), stream, operators));
        }
#endif

        return new Recording(stream, operators, IntPtr.Zero);
    }

    public void Replay()
    {
        if (executable == IntPtr.Zero)
        {
            operators(stream);
            return;
        }

#if !EMULATOR
        CudaDriver.Check(CudaDriver.cuGraphLaunch(executable, StreamHandle.Of(stream)));
#endif
    }

    public void Dispose()
    {
#if !EMULATOR
        if (executable != IntPtr.Zero)
        {
            CudaDriver.Check(CudaDriver.cuGraphExecDestroy(executable));
        }
#endif
    }

#if !EMULATOR
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
#endif
}
