using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant.Samples;

/// <summary>A step that can be run again and again: a CUDA graph where there is CUDA, else the step itself.</summary>
internal class CapturedStep(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> step) : IDisposable
{
    public virtual string Description => $"captured: no, a {device.Kind} device has no CUDA graphs, so each step is issued directly";

    public static CapturedStep Of(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> step)
        => device.Kind == DeviceKind.Cuda ? new CudaGraph(device, stream, step) : new CapturedStep(device, stream, step);

    /// <summary>Issues the step to its stream.</summary>
    public virtual void Run() => step(stream);

    public virtual void Dispose()
    {
    }
}
