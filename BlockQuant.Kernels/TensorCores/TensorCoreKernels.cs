using System.Collections.Concurrent;
using BlockQuant.Kernels.Cuda;

namespace BlockQuant.Kernels.TensorCores;

/// <summary>The kernels of warp-level tensor cores in a CUDA context: compiled by the driver when first called, launched on a driver's stream.</summary>
internal sealed unsafe class TensorCoreKernels
{
    private static readonly ConcurrentDictionary<ulong, TensorCoreKernels> Contexts = new();
    private readonly LoadedOnce<TensorCoreKernel, CudaModule> modules = new(ReferenceEqualityComparer.Instance);

    /// <summary>The kernels of the calling thread's current CUDA context.</summary>
    public static TensorCoreKernels Current
    {
        get
        {
            ulong context = CudaDriver.CurrentContextId();
            return Contexts.TryGetValue(context, out TensorCoreKernels? kernels)
                ? kernels
                : Contexts.GetOrAdd(context, static _ => new TensorCoreKernels());
        }
    }

    /// <summary>The loaded module of a kernel, compiled now if it was not yet.</summary>
    public CudaModule Load(TensorCoreKernel kernel)
        => modules.Get(kernel, kernel, static kernel => CudaModule.Load(EmbeddedPtx.Read(kernel.Name), kernel.Name, kernel.SharedBytes));

    /// <summary>Starts a kernel in <paramref name="stream"/>.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Groups of the grid.</param>
    /// <param name="arguments">Addresses of its arguments.</param>
    /// <param name="stream">The driver's handle of a stream; zero for the null stream.</param>
    public void Launch(TensorCoreKernel kernel, in TensorCoreGrid grid, void** arguments, IntPtr stream)
    {
        var attributes = stackalloc CudaLaunchAttribute[2];
        uint count = 0;
        if (grid.DependentLaunch)
        {
            attributes[count++] = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        }

        if (grid.Cluster > 1)
        {
            attributes[count++] = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ClusterDimension, X = grid.Cluster, Y = 1, Z = 1 };
        }

        var launch = new CudaLaunch
        {
            GridX = checked((uint)grid.X),
            GridY = checked((uint)grid.Y),
            GridZ = checked((uint)grid.Z),
            BlockX = (uint)kernel.Lanes,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)kernel.SharedBytes,
            Stream = stream,
            Attributes = attributes,
            AttributeCount = count,
        };
        CudaDriver.Check(CudaDriver.cuLaunchKernelEx(&launch, Load(kernel).Function, arguments, null));
    }
}

/// <summary>The grid of a launch.</summary>
internal readonly record struct TensorCoreGrid
{
    /// <summary>Groups along x, whole clusters.</summary>
    public required long X { get; init; }

    /// <summary>Groups along y.</summary>
    public long Y { get; init; } = 1;

    /// <summary>Groups along z.</summary>
    public long Z { get; init; } = 1;

    /// <summary>Groups of a cluster, along x.</summary>
    public int Cluster { get; init; } = 1;

    /// <summary>Whether the kernel may start before the one ahead of it in the stream has ended.</summary>
    public bool DependentLaunch { get; init; }

    /// <summary>A grid of one group along y and z, without clusters.</summary>
    public TensorCoreGrid()
    {
    }
}
