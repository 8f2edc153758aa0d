using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using BlockQuant.Kernels.Cuda;

namespace BlockQuant.Kernels.Vector;

/// <summary>
/// The vector kernels in a CUDA context: compiled by the driver when first called, launched on a driver's stream. Where the GPU has programmatic dependent
/// launch, the next kernel's start overlaps theirs, and theirs the end of the one ahead: in a sequence of short kernels the gaps are as long as the work.
/// </summary>
internal sealed unsafe class VectorKernels
{
    private static readonly ConcurrentDictionary<ulong, VectorKernels> Contexts = new();
    private readonly LoadedOnce<VectorKernel, CudaModule> modules = new(ReferenceEqualityComparer.Instance);
    private readonly int major;

    private VectorKernels()
    {
        CudaDriver.Check(CudaDriver.cuCtxGetDevice(out int device));
        major = CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.ComputeCapabilityMajor);
    }

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
        => modules.Get(kernel, (kernel, major), static source => CudaModule.Load(Ptx(source.kernel, source.major), source.kernel.Name, 0));

    /// <summary>The text of a kernel for GPUs of a major compute capability.</summary>
    public static string Ptx(VectorKernel kernel, int major)
    {
        string ptx = EmbeddedPtx.Read(kernel.Name);
        return IsDependent(major) ? DependentPtx.Of(ptx) : ptx;
    }

    /// <summary>Starts a kernel in <paramref name="stream"/>.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="operands">Where its operands lie.</param>
    /// <param name="stream">The driver's handle of a stream; zero for the null stream.</param>
    public void Launch(VectorKernel kernel, VectorOperands operands, IntPtr stream)
    {
        void** arguments = stackalloc void*[] { &operands };
        var attribute = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        var launch = new CudaLaunch
        {
            GridX = checked((uint)((operands.Length + kernel.ElementsPerGroup - 1) / kernel.ElementsPerGroup)),
            GridY = 1,
            GridZ = 1,
            BlockX = (uint)kernel.Lanes,
            BlockY = 1,
            BlockZ = 1,
            Stream = stream,
            Attributes = &attribute,
            AttributeCount = IsDependent(major) ? 1u : 0u,
        };
        CudaDriver.Check(CudaDriver.cuLaunchKernelEx(&launch, Load(kernel).Function, arguments, null));
    }

    private static bool IsDependent(int major) => major >= DependentPtx.MinMajor;
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
