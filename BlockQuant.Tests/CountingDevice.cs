using BlockQuant.Kernels;
using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant.Tests;

/// <summary>A device that counts what is asked of it and launches nothing. It allocates on another one.</summary>
internal sealed class CountingDevice : ComputeDevice
{
    private readonly ComputeDevice inner;
    private readonly List<string> compilations = [];
    private int launches;
    private int allocations;
    private int synchronizations;

    /// <param name="inner">The device that has the memory.</param>
    /// <param name="traits">What it is taken for; null for what it is.</param>
    public CountingDevice(ComputeDevice inner, DeviceTraits? traits = null)
    {
        this.inner = inner;
        Traits = traits ?? inner.Traits;
    }

    public IReadOnlyList<string> Compilations => compilations;

    public int Launches => launches;

    public LaunchShape LastShape { get; private set; }

    public int Allocations => allocations;

    public int Synchronizations => synchronizations;

    public override AcceleratorStream DefaultStream => inner.DefaultStream;

    internal override object Accelerator => inner.Accelerator;

    public override AcceleratorStream CreateStream() => inner.CreateStream();

    public override void Synchronize() => Interlocked.Increment(ref synchronizations);

    private protected override DeviceBuffer<T> AllocateMemory<T>(long length)
    {
        Interlocked.Increment(ref allocations);
        return inner.Allocate<T>(length);
    }

    private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel)
    {
        lock (compilations)
        {
            compilations.Add(kernel.Name);
        }

        // Long enough for other threads to ask meanwhile.
        Thread.Sleep(20);
        return kernel.Method;
    }

    private protected override void Run<TArguments>(Delegate launcher, LaunchShape shape, in TArguments arguments, AcceleratorStream stream)
    {
        LastShape = shape;
        Interlocked.Increment(ref launches);
    }

    private protected override void Release()
    {
    }
}
