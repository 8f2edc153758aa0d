using BlockQuant.Emulator;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <content>Products over rows sorted by expert.</content>
internal sealed partial class EmulatedHopper
{
    /// <summary>A matmul of operands at addresses of the host; an access outside of them is a fault.</summary>
    public void Matmul(in ExpertMatmulCall call)
    {
        int blocks = (call.K + 127) / 128, outputBytes = call.N * call.ElementBytes;
        var activations = new MemoryRegion("activations", call.Activations, call.Rows, call.K, call.K);
        var weights = new MemoryRegion("weights", call.Weights, (long)call.Experts * call.N, call.K, call.K);
        var scales = ActivationScales(call.ActivationScales, call.Rows, blocks, call.ScaleRowStride, call.ScaleBlockStride);
        List<MemoryRegion> regions =
        [
            activations,
            weights,
            scales,
            new MemoryRegion("weight scales", call.WeightScales, (long)call.Experts * ((call.N + 127) / 128), blocks * 4, blocks * 4),
            new MemoryRegion("output", call.Output, call.Rows, outputBytes, outputBytes, IsWritable: true),
        ];
        if (call.Plan.Kind == HopperKernelKind.BatchedDecode)
        {
            regions.Add(new MemoryRegion("ids", call.Ids, 1, call.Rows * 4, call.Rows * 4));
        }
        else
        {
            regions.Add(new MemoryRegion("ends", call.Ends, 1, call.Experts * 4, call.Experts * 4));
            regions.Add(new MemoryRegion("tile offsets", call.TileOffsets, 1, (call.Experts + 1) * 4, (call.Experts + 1) * 4));
        }
        if (call.OutputRows != 0)
            regions.Add(new MemoryRegion("output rows", call.OutputRows, 1, call.Rows * 4, call.Rows * 4));
        int boxRows = ExpertMatmulArguments.BoxRows(call);
        var memory = new AddressSpace(
            regions,
            [
                new BoxMap(activations, boxRows), new BoxMap(weights, call.Plan.TileN),
                new BoxMap(scales, boxRows, sizeof(float), ScaleSlots.RowBytes),
            ]);

        var matmul = ExpertMatmulArguments.Of(call);
        object[] own = call.Plan.Kind switch
        {
            HopperKernelKind.BatchedDecode => [matmul.Ids, matmul.Experts],
            HopperKernelKind.GroupedDecode => [matmul.Ends, matmul.TileOffsets, matmul.Experts, matmul.OutputRows],
            _ => [matmul.Ends, matmul.TileOffsets, matmul.Experts, matmul.GroupM],
        };
        Launch(
            HopperKernel.All[HopperKernel.IndexOf(call.Plan)], ExpertMatmulArguments.Blocks(call, multiprocessors), 1, memory,
            [
                matmul.Output, matmul.OutputPitch, matmul.OutputType, matmul.Vector, matmul.RowScales, matmul.RowPitch, matmul.BlockPitch,
                matmul.WeightScales, matmul.Rows, matmul.Columns, matmul.Depth, .. own,
            ]);
    }
}
