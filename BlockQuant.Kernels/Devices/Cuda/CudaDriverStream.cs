using BlockQuant.Kernels.Cuda;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>A stream of the CUDA driver.</summary>
internal sealed class CudaDriverStream : AcceleratorStream
{
    private readonly CudaContext context;
    private readonly bool isOwned;
    private IntPtr handle;
    private bool isDisposed;

    private CudaDriverStream(CudaContext context, IntPtr handle, bool isOwned)
    {
        this.context = context;
        this.handle = handle;
        this.isOwned = isOwned;
        Owner = context;
    }

    /// <summary>Frees a stream that was never disposed of.</summary>
    ~CudaDriverStream() => Dispose(false);

    /// <summary>The context's null stream, which waits for other blocking streams, such as another library's.</summary>
    public static CudaDriverStream Null(CudaContext context) => new(context, IntPtr.Zero, isOwned: false);

    /// <summary>A new stream, independent of the null stream.</summary>
    public static CudaDriverStream Create(CudaContext context)
    {
        const uint NonBlocking = 1;
        context.Bind();
        CudaDriver.Check(CudaDriver.cuStreamCreate(out IntPtr handle, NonBlocking));
        return new CudaDriverStream(context, handle, isOwned: true);
    }

    /// <summary>Makes a context the calling thread's current one.</summary>
    /// <returns>The driver's handle of <paramref name="stream"/>.</returns>
    /// <exception cref="ArgumentException">The stream is another device's.</exception>
    /// <exception cref="ObjectDisposedException">The stream is disposed.</exception>
    public static IntPtr Bind(AcceleratorStream stream, CudaContext context)
    {
        if (stream is not CudaDriverStream own || own.context != context)
        {
            throw new ArgumentException("stream: of another device; expected one that this device created.", nameof(stream));
        }

        ObjectDisposedException.ThrowIf(own.isDisposed, stream);
        context.Bind();
        return own.handle;
    }

    public override void Synchronize() => CudaDriver.Check(CudaDriver.cuStreamSynchronize(Bind(this, context)));

    protected override void Dispose(bool disposing)
    {
        if (isOwned && !isDisposed)
        {
            isDisposed = true;

            // The driver lets work already in the stream end first. There is nobody to tell of a failure.
            _ = CudaDriver.cuStreamDestroy(handle);
            handle = IntPtr.Zero;
        }
    }
}
