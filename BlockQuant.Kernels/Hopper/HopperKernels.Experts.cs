using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <content>Products over rows that are sorted by expert, and what they are prepared by.</content>
internal sealed unsafe partial class HopperKernels
{
    /// <summary>Finds the row tiles of every expert from the offsets that a caller gives, and checks these.</summary>
    public void ExpertTiles(ExpertTileOperands operands, IntPtr stream)
    {
        // A lane an expert, while there are enough: the scan costs a step for each lane.
        int lanes = Math.Min((operands.Experts + 31) / 32 * 32, HopperKernel.All[HopperKernel.ExpertTilesIndex].Threads);
        Launch(HopperKernel.ExpertTilesIndex, lanes, &operands, stream);
    }

    /// <summary>Sorts rows by expert.</summary>
    public void ExpertPlaces(ExpertPlaceOperands operands, IntPtr stream) =>
        Launch(HopperKernel.ExpertPlacesIndex, HopperKernel.All[HopperKernel.ExpertPlacesIndex].Threads, &operands, stream);

    /// <summary>Sorts few rows by expert and quantizes them.</summary>
    public void BatchedQuantize(ElementKind element, BatchedQuantizeOperands operands, long rows, IntPtr stream)
    {
        void** arguments = stackalloc void*[] { &operands };
        Launch(
            HopperKernel.BatchedQuantizeIndex(element), BatchedQuantizeKernel.Blocks(rows, operands.Matrix.Columns), 1, arguments, stream);
    }

    /// <summary>Starts a product of sorted rows in <paramref name="stream"/>. The grid depends on shapes alone.</summary>
    public void Matmul(in ExpertMatmulCall call, IntPtr stream)
    {
        var matmul = ExpertMatmulArguments.Of(call);
        byte* space = stackalloc byte[3 * sizeof(TensorMap) + 63];
        var maps = (TensorMap*)(((nint)space + 63) & ~63);
        TensorMap.EncodeBytes(maps, call.Activations, call.Rows, call.K, call.K, ExpertMatmulArguments.BoxRows(call));
        TensorMap.EncodeBytes(maps + 1, call.Weights, (long)call.Experts * call.N, call.K, call.K, call.Plan.TileN);
        if (matmul.BlockPitch == 0)
        {
            TensorMap.EncodeScales(
                maps + 2, call.ActivationScales, call.Rows, Tiles(call.K, 128), matmul.RowPitch, ExpertMatmulArguments.BoxRows(call),
                ScaleSlots.Blocks);
        }
        // The kernel that sorts rows itself has two parameters fewer; of the pointers the driver reads as many as a kernel has parameters.
        bool sorts = call.Plan.Kind == HopperKernelKind.BatchedDecode;
        void* last = call.Plan.Kind == HopperKernelKind.GroupedDecode ? &matmul.OutputRows : &matmul.GroupM;
        void** arguments = stackalloc void*[]
        {
            &matmul.Output, &matmul.OutputPitch, &matmul.OutputType, &matmul.Vector, &matmul.RowScales, &matmul.RowPitch,
            &matmul.BlockPitch, &matmul.WeightScales, &matmul.Rows, &matmul.Columns, &matmul.Depth,
            sorts ? &matmul.Ids : &matmul.Ends, sorts ? &matmul.Experts : &matmul.TileOffsets, sorts ? maps : &matmul.Experts,
            sorts ? maps + 1 : last, maps, maps + 1, maps + 2,
        };
        Launch(HopperKernel.IndexOf(call.Plan), ExpertMatmulArguments.Blocks(call, multiprocessors), 1, arguments, stream);
    }

    private void Launch(int kernel, int lanes, void* operands, IntPtr stream)
    {
        void** arguments = stackalloc void*[] { operands };
        var attribute = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
        var launch = new CudaLaunch
        {
            GridX = 1,
            GridY = 1,
            GridZ = 1,
            BlockX = (uint)lanes,
            BlockY = 1,
            BlockZ = 1,
            Stream = stream,
            Attributes = &attribute,
            AttributeCount = 1,
        };
        CudaDriver.Check(CudaDriver.cuLaunchKernelEx(&launch, Load(kernel).Function, arguments, null));
    }
}
