namespace ILGPU.Runtime;

/// <summary>A queue of work on an accelerator.</summary>
public abstract class AcceleratorStream : IDisposable
{
    /// <summary>Whether the stream was disposed of.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>The device that the stream is of; null where its holder does not say.</summary>
    internal object? Owner { get; init; }

    /// <summary>Waits until all work queued so far is done.</summary>
    public abstract void Synchronize();

    /// <summary>Releases the stream.</summary>
    public void Dispose()
    {
        if (IsDisposed)
            return;
        IsDisposed = true;
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the stream holds.</summary>
    /// <param name="disposing">Whether <see cref="Dispose()"/> was called.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}
