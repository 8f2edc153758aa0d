using BlockQuant.Emulator;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Memory of the emulator.</summary>
internal sealed class EmulatorBuffer<T>(ComputeDevice device, EmulatorAccelerator accelerator, MemoryBuffer buffer, long length)
    : DeviceBuffer<T>(device, buffer.AsArrayView<T>(0, length))
    where T : unmanaged
{
    private protected override void CopyIn(ArrayView<T> target, ReadOnlySpan<T> source, AcceleratorStream stream)
        => accelerator.CopyFromHost(source, target);

    private protected override void CopyOut(ArrayView<T> source, Span<T> target, AcceleratorStream stream)
        => accelerator.CopyToHost(source, target);

    private protected override void Release() => buffer.Dispose();
}
