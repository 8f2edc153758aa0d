using System.Collections.Concurrent;
using BlockQuant.Kernels.Cuda;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// Launches the Hopper kernels in one CUDA context. Nothing is allocated or synchronised, so launches can be captured in a CUDA
/// graph; a kernel is compiled, or read from the disk cache, at its first use.
/// </summary>
internal sealed unsafe partial class HopperKernels
{
    private static readonly ConcurrentDictionary<ulong, HopperKernels> Contexts = new();
    private readonly int multiprocessors;
    private readonly Lock loading = new();
    private readonly CudaModule?[] modules = new CudaModule?[HopperKernel.All.Count];

    private HopperKernels(int device)
    {
        multiprocessors = CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.MultiprocessorCount);
    }

    /// <summary>The kernels of the calling thread's current CUDA context.</summary>
    public static HopperKernels Current
    {
        get
        {
            ulong context = CudaDriver.CurrentContextId();
            return Contexts.TryGetValue(context, out var kernels) ? kernels : Contexts.GetOrAdd(context, Create);
        }
    }

    /// <summary>Whether a device runs the kernels: compute capability 9.0.</summary>
    public static bool Supports(int device) =>
        CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.ComputeCapabilityMajor) == 9
        && CudaDriver.DeviceAttribute(device, CudaDeviceAttribute.ComputeCapabilityMinor) == 0;

    /// <summary>Whether the copy engine can read a call's operands: addresses and pitches in multiples of 16 bytes.</summary>
    public static bool Supports(in MatmulCall call) =>
        call is { M: > 0, N: > 0, K: > 0 }
        && ((call.Activations | call.Weights) & 15) == 0 && ((call.ActivationPitch | call.WeightPitch) & 15) == 0;

    /// <summary>Tiles that cover an extent.</summary>
    public static int Tiles(int extent, int tile) => (extent + tile - 1) / tile;

    /// <summary>Starts a matmul in <paramref name="stream"/>.</summary>
    public void Matmul(in MatmulCall call, IntPtr stream)
    {
        if (call.QuantizesActivations)
        {
            MatmulOfRaw(call, stream);
            return;
        }
        var matmul = MatmulArguments.Of(call);
        byte* space = stackalloc byte[4 * sizeof(TensorMap) + 63];
        var maps = (TensorMap*)(((nint)space + 63) & ~63);
        TensorMap.EncodeBytes(maps, call.Activations, call.M, call.K, call.ActivationPitch, MatmulArguments.ActivationBox(call));
        TensorMap.EncodeBytes(maps + 1, call.Weights, call.N, call.K, call.WeightPitch, MatmulArguments.WeightBox(call.Plan));
        if (matmul.Store == (int)OutputStore.Boxes)
            TensorMap.EncodeOutput(maps + 3, call.Output, call.M, call.N, call.OutputPitch, OutputBoxes.Rows, OutputBoxes.Columns);
        if (MatmulArguments.BringsScales(call, multiprocessors))
        {
            matmul.BlockPitch = 0;
            TensorMap.EncodeScales(
                maps + 2, call.ActivationScales, call.M, Tiles(call.K, 128), matmul.RowPitch, PrefillRing.TileM, ScaleSlots.Blocks);
        }
        void** arguments = stackalloc void*[]
        {
            &matmul.Output, &matmul.OutputPitch, &matmul.OutputType, &matmul.Store, &matmul.RowScales, &matmul.RowPitch,
            &matmul.BlockPitch, &matmul.WeightScales, &matmul.Rows, &matmul.Columns, &matmul.Depth, &matmul.Last, maps, maps + 1, maps + 2, maps + 3,
        };
        Launch(call, arguments, stream);
    }

    /// <summary>The loaded module of a kernel, compiled now if it was not yet.</summary>
    public CudaModule Load(int kernel)
    {
        var module = Volatile.Read(ref modules[kernel]);
        if (module != null)
            return module;
        lock (loading)
        {
            if (modules[kernel] == null)
            {
                var description = HopperKernel.All[kernel];
                Volatile.Write(
                    ref modules[kernel], CudaModule.Load(EmbeddedPtx.Read(description.Name), description.Name, description.SharedBytes));
            }
            return modules[kernel]!;
        }
    }

    private static HopperKernels Create(ulong context)
    {
        CudaDriver.Check(CudaDriver.cuCtxGetDevice(out int device));
        return new HopperKernels(device);
    }

    private void MatmulOfRaw(in MatmulCall call, IntPtr stream)
    {
        var matmul = FusedMatmulArguments.Of(call);
        byte* space = stackalloc byte[sizeof(TensorMap) + 63];
        var map = (TensorMap*)(((nint)space + 63) & ~63);
        TensorMap.EncodeBytes(map, call.Weights, call.N, call.K, call.WeightPitch, call.Plan.TileN);
        void** arguments = stackalloc void*[]
        {
            &matmul.Output, &matmul.OutputPitch, &matmul.OutputType, &matmul.Store, &matmul.Activations, &matmul.ActivationPitch,
            &matmul.WeightScales, &matmul.Rows, &matmul.Columns, &matmul.Depth, &matmul.Early, map,
        };
        Launch(call, arguments, stream);
    }

    private void Launch(in MatmulCall call, void** arguments, IntPtr stream)
    {
        int kernel = HopperKernel.IndexOf(call);
        Launch(
            kernel, MatmulArguments.Blocks(call, multiprocessors), call.Plan.ClusterSize,
            MatmulArguments.SharedBytes(call, HopperKernel.All[kernel], multiprocessors), arguments, stream);
    }

    private void Launch(int kernel, int grid, int cluster, void** arguments, IntPtr stream) =>
        Launch(kernel, grid, cluster, HopperKernel.All[kernel].SharedBytes, arguments, stream);

    private void Launch(int kernel, int grid, int cluster, int sharedBytes, void** arguments, IntPtr stream)
    {
        var attributes = stackalloc CudaLaunchAttribute[2];
        attributes[0] = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        attributes[1] = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ClusterDimension, X = cluster, Y = 1, Z = 1 };
        var launch = new CudaLaunch
        {
            GridX = (uint)grid,
            GridY = 1,
            GridZ = 1,
            BlockX = (uint)HopperKernel.All[kernel].Threads,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)sharedBytes,
            Stream = stream,
            Attributes = attributes,
            // Kernels that run without a cluster pass none of its barriers, and need no attribute for it.
            AttributeCount = cluster > 1 ? 2u : 1u,
        };
        CudaDriver.Check(CudaDriver.cuLaunchKernelEx(&launch, Load(kernel).Function, arguments, null));
    }
}
