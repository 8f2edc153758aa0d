using BlockQuant.Emulator;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Emulator;

/// <summary>An emulated device for a test, and the buffers the test has made on it.</summary>
public abstract class EmulatorFixture(bool checkUninitialisedGlobalReads = true)
{
    private readonly List<MemoryBuffer> buffers = [];

    protected EmulatorAccelerator Accelerator { get; set; } = null!;

    protected bool ChecksUninitialisedGlobalReads => checkUninitialisedGlobalReads;

    [SetUp]
    public void CreateAccelerator() =>
        Accelerator = new EmulatorAccelerator(new EmulatorOptions { CheckUninitialisedGlobalReads = checkUninitialisedGlobalReads });

    [TearDown]
    public void DisposeBuffers() => buffers.ForEach(buffer => buffer.Dispose());

    protected ArrayView<T> Upload<T>(params T[] elements)
        where T : unmanaged
    {
        ArrayView<T> view = Allocate<T>(elements.Length);
        Accelerator.CopyFromHost(elements, view);
        return view;
    }

    protected ArrayView<T> Allocate<T>(long length)
        where T : unmanaged
    {
        MemoryBuffer buffer = Accelerator.Allocate(length * ArrayView<T>.ElementSize);
        buffers.Add(buffer);
        return buffer.AsArrayView<T>(0, length);
    }

    protected T[] Download<T>(ArrayView<T> view)
        where T : unmanaged
    {
        T[] elements = new T[view.IntLength];
        Accelerator.CopyToHost(view, elements);
        return elements;
    }

    protected EmulatorFaultException Fault<TArguments>(Action<TArguments> kernel, KernelConfig config, TArguments arguments, int clusterSize = 1)
        where TArguments : struct
        => Assert.Throws<EmulatorFaultException>(() => Accelerator.Launch(kernel.Method.Name, kernel, config, arguments, clusterSize))!;
}
