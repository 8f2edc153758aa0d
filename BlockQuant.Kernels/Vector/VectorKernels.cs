using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using BlockQuant.Kernels.Cuda;

namespace BlockQuant.Kernels.Vector;

/// <summary>The vector kernels in a CUDA context: compiled by the driver when first called, launched on a driver's stream.</summary>
internal sealed unsafe class VectorKernels
{
    private static readonly ConcurrentDictionary<ulong, VectorKernels> Contexts = new();
    private readonly LoadedOnce<VectorKernel, CudaModule> modules = new();

    /// <summary>The kernels of the calling thread's current CUDA context.</summary>
    public static VectorKernels Current
    {
        get
        {
            ulong context = CudaDriver.CurrentContextId();
            return Contexts.TryGetValue(context, out VectorKernels? kernels) ? kernels : Contexts.GetOrAdd(context, static _ => new VectorKernels());
        }
    }

    /// <summary>The loaded module of a kernel, compiled now if it was not yet.</summary>
    public CudaModule Load(VectorKernel kernel)
        => modules.Get(kernel, kernel, static kernel => CudaModule.Load(EmbeddedPtx.Read(kernel.Name), kernel.Name, 0));

    /// <summary>Starts a kernel in <paramref name="stream"/>.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="operands">Where its operands lie.</param>
    /// <param name="stream">The driver's handle of a stream; zero for the null stream.</param>
    public void Launch(VectorKernel kernel, VectorOperands operands, IntPtr stream)
    {
        void** arguments = stackalloc void*[] { &operands };
        var launch = new CudaLaunch
        {
            GridX = checked((uint)((operands.Length + kernel.ElementsPerGroup - 1) / kernel.ElementsPerGroup)),
            GridY = 1,
            GridZ = 1,
            BlockX = (uint)kernel.Lanes,
            BlockY = 1,
            BlockZ = 1,
            Stream = stream,
        };
        CudaDriver.Check(CudaDriver.cuLaunchKernelEx(&launch, Load(kernel).Function, arguments, null));
    }
}

/// <summary><see cref="VectorArguments"/> as the compiled kernels take them: a view is an address and a number of elements.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VectorOperands
{
    public IntPtr Source;
    public long SourceVectors;
    public IntPtr SourceScales;
    public long SourceScaleCount;
    public IntPtr Output;
    public long OutputVectors;
    public IntPtr OutputScales;
    public long OutputScaleCount;
    public IntPtr Places;
    public long PlaceCount;
    public long Columns;
    public long Length;
}
