using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace BlockQuant.Devices;

/// <summary>The CUDA driver's handle of a stream.</summary>
internal static class StreamHandle
{
    public static IntPtr Of(AcceleratorStream stream) => ((CudaStream)stream).StreamPtr;
}
