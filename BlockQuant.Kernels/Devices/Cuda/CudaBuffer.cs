using BlockQuant.Kernels.Cuda;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>A device buffer in memory of a CUDA device.</summary>
internal sealed class CudaBuffer<T>(CudaDevice device, CudaMemory memory, long length)
    : DeviceBuffer<T>(device, memory.AsArrayView<T>(0, length))
    where T : unmanaged
{
    private protected override unsafe void CopyIn(ArrayView<T> target, ReadOnlySpan<T> source, AcceleratorStream stream)
    {
        fixed (T* first = source)
        {
            Copy(target.LoadEffectiveAddressAsPtr(), (IntPtr)first, target.LengthInBytes, stream);
        }
    }

    private protected override unsafe void CopyOut(ArrayView<T> source, Span<T> target, AcceleratorStream stream)
    {
        fixed (T* first = target)
        {
            Copy((IntPtr)first, source.LoadEffectiveAddressAsPtr(), source.LengthInBytes, stream);
        }
    }

    private protected override void Release() => memory.Dispose();

    private void Copy(IntPtr target, IntPtr source, long bytes, AcceleratorStream stream)
    {
        IntPtr handle = Device.BindCudaStream(stream);
        CudaDriver.Check(CudaDriver.cuMemcpyAsync(target, source, (nuint)bytes, handle));
        CudaDriver.Check(CudaDriver.cuStreamSynchronize(handle));
    }
}
