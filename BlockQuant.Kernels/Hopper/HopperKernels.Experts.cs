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

    /// <summary>Starts a product of sorted rows in <paramref name="stream"/>. The grid depends on shapes alone.</summary>
    public void Matmul(in ExpertMatmulCall call, IntPtr stream)
    {
        bool decode = call.Plan.Kind == HopperKernelKind.GroupedDecode;
        int elementBytes = call.OutputType == OutputType.Single ? 4 : 2;
        // Sixteen bytes at a time from prefill, four elements at a time from decode.
        int chunk = decode ? 4 * elementBytes : 16;
        long output = call.Output, outputPitch = (long)call.N * elementBytes, scales = call.ActivationScales;
        long rowPitch = call.ScaleRowStride * 4, blockPitch = call.ScaleBlockStride * 4, weightScales = call.WeightScales;
        long ends = call.Ends, tileOffsets = call.TileOffsets, outputRows = call.OutputRows;
        int type = (int)call.OutputType, rows = call.Rows, columns = call.N, depth = call.K, experts = call.Experts;
        int tileM = call.Plan.TileM, groupM = call.Plan.GroupM;
        int vector = (output | outputPitch) % chunk == 0 ? 1 : 0;

        byte* space = stackalloc byte[2 * sizeof(TensorMap) + 63];
        var maps = (TensorMap*)(((nint)space + 63) & ~63);
        bool ragged = !decode && call.Plan.TileN == GroupedRaggedKernel.TileN;
        TensorMap.EncodeBytes(maps, call.Activations, rows, depth, depth, ragged ? GroupedRaggedKernel.PieceM : tileM);
        TensorMap.EncodeBytes(maps + 1, call.Weights, (long)experts * columns, depth, depth, call.Plan.TileN);
        void** arguments = stackalloc void*[]
        {
            &output, &outputPitch, &type, &vector, &scales, &rowPitch, &blockPitch, &weightScales, &rows, &columns, &depth, &ends,
            &tileOffsets, &experts, decode ? (void*)&outputRows : &groupM, maps, maps + 1,
        };
        long tiles = ExpertTileMap.RowTiles(rows, experts, tileM) * Tiles(columns, call.Plan.TileN);
        Launch(HopperKernel.IndexOf(call.Plan), (int)Math.Min(checked((int)tiles), multiprocessors), 1, arguments, stream);
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
