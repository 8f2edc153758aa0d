namespace BlockQuant.Kernels.Cuda;

/// <summary>
/// The primary context of a CUDA device: the one that the CUDA runtime, and with it other libraries of the process, use. It is kept until the
/// process ends, so memory, streams and modules in it may be freed in any order, and a device that is opened again finds its kernels loaded.
/// </summary>
internal sealed class CudaContext
{
    private static readonly LoadedOnce<int, CudaContext> Contexts = new();
    private readonly LoadedOnce<string, EmbeddedKernel> kernels = new();
    private readonly IntPtr handle;

    private CudaContext(int ordinal)
    {
        CudaDriver.Check(CudaDriver.cuDeviceGet(out int device, ordinal));
        CudaDriver.Check(CudaDriver.cuDevicePrimaryCtxRetain(out handle, device));
        Device = device;
    }

    /// <summary>The driver's device.</summary>
    public int Device { get; }

    /// <summary>The context of a device of <see cref="CudaDriver"/>, which must be available.</summary>
    public static CudaContext Of(int ordinal) => Contexts.Get(ordinal, ordinal, static ordinal => new CudaContext(ordinal));

    /// <summary>Makes this the calling thread's current context.</summary>
    public void Bind() => CudaDriver.Check(CudaDriver.cuCtxSetCurrent(handle));

    /// <summary>A portable kernel, loaded at its first use.</summary>
    public EmbeddedKernel Load(Kernel kernel)
    {
        Bind();
        return kernels.Get(kernel.Name, kernel, EmbeddedKernel.Load);
    }
}
