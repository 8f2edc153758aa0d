using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Memory of an ILGPU accelerator.</summary>
internal sealed class IlgpuBuffer<T>(IlgpuDevice device, MemoryBuffer1D<T, Stride1D.Dense> buffer, long length)
    : DeviceBuffer<T>(device, buffer.View.BaseView.SubView(0, length))
    where T : unmanaged
{
    private protected override unsafe void CopyIn(ArrayView<T> target, ReadOnlySpan<T> source, AcceleratorStream stream)
    {
        fixed (T* first = source)
        {
            try
            {
                target.CopyFromCPUUnsafeAsync(stream, ref *first, source.Length);
                stream.Synchronize();
            }
            catch (AcceleratorException error)
            {
                throw device.Fault(error);
            }
        }
    }

    private protected override unsafe void CopyOut(ArrayView<T> source, Span<T> target, AcceleratorStream stream)
    {
        fixed (T* first = target)
        {
            try
            {
                source.CopyToCPUUnsafeAsync(stream, ref *first, target.Length);
                stream.Synchronize();
            }
            catch (AcceleratorException error)
            {
                throw device.Fault(error);
            }
        }
    }

    private protected override void Release() => buffer.Dispose();
}
