using BlockQuant.Kernels.Cuda;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Memory of a CUDA device. Views of it say where it lies, but the host cannot read their elements.</summary>
internal sealed class CudaMemory : MemoryBuffer
{
    private readonly CudaContext context;

    private CudaMemory(CudaContext context, IntPtr address, long bytes)
        : base(address, bytes, isHostAccessible: false)
    {
        this.context = context;
        Owner = context;
    }

    /// <summary>Allocates uninitialised memory, or gives null where there is not enough.</summary>
    public static CudaMemory? TryAllocate(CudaContext context, long bytes)
    {
        context.Bind();
        CudaResult result = CudaDriver.cuMemAlloc(out IntPtr address, (nuint)Math.Max(bytes, 1));
        if (result == CudaResult.OutOfMemory)
        {
            return null;
        }

        CudaDriver.Check(result, nameof(CudaDriver.cuMemAlloc));
        return new CudaMemory(context, address, bytes);
    }

    protected override void DisposeBuffer()
    {
        // Also called by the finalizer. An error here is that of earlier work, which its own call reports.
        context.Bind();
        _ = CudaDriver.cuMemFree(NativePtr);
    }
}
