#if !EMULATOR
using BlockQuant.Scheduling;
#endif
using ILGPU.Runtime;

namespace BlockQuant.Samples;

/// <summary>A step that can be run again and again: a CUDA graph where there is CUDA, else the step itself.</summary>
internal class CapturedStep(AcceleratorStream stream, Action<AcceleratorStream> step) : IDisposable
{
    public virtual string Description => "no CUDA graph here: each step is issued directly";

    public static CapturedStep Of(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> step)
    {
#if !EMULATOR
        if (device.Kind == DeviceKind.Cuda)
        {
            return new CudaGraph(stream, step);
        }
#endif

        return new CapturedStep(stream, step);
    }

    /// <summary>Issues the step to its stream.</summary>
    public virtual void Run() => step(stream);

    public virtual void Dispose()
    {
    }
}
