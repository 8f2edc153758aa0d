using BlockQuant.Emulator;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Samples;

/// <summary>An application's own emulator, which takes the accelerator's place where the library was built without ILGPU.</summary>
internal sealed class OwnAccelerator : IDisposable
{
    private readonly EmulatorAccelerator accelerator = new();

    /// <summary>The library's device over it; the accelerator stays the application's.</summary>
    public ComputeDevice CreateDevice() => ComputeDevice.FromAccelerator(accelerator);

    public AcceleratorStream CreateStream() => new EmulatorStream();

    public OwnMemory<T> Allocate<T>(long length)
        where T : unmanaged
        => new(accelerator, accelerator.Allocate(length * ArrayView<T>.ElementSize), length);

    public void Launch<TArguments>(Action<TArguments> kernel, int groups, int lanes, TArguments arguments, AcceleratorStream stream)
        where TArguments : struct
        => accelerator.Launch(kernel.Method.Name, kernel, new KernelConfig(new Index3D(groups, 1, 1), new Index3D(lanes, 1, 1)), arguments);

    public void Dispose()
    {
    }
}

/// <summary>Memory that the application allocates with the emulator.</summary>
internal sealed class OwnMemory<T>(EmulatorAccelerator accelerator, MemoryBuffer buffer, long length) : IDisposable
    where T : unmanaged
{
    public ArrayView<T> View => buffer.AsArrayView<T>(0, length);

    public void CopyFrom(T[] source, AcceleratorStream stream) => accelerator.CopyFromHost<T>(source, View);

    public T[] ToArray(AcceleratorStream stream)
    {
        var result = new T[length];
        accelerator.CopyToHost<T>(View, result);
        return result;
    }

    public void Dispose() => buffer.Dispose();
}
