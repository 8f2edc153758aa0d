using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper;

/// <content>INT8 products.</content>
internal sealed partial class EmulatedHopper
{
    /// <summary>A matmul of operands at addresses of the host; an access outside of them is a fault.</summary>
    public void Matmul(in Int8MatmulCall call)
    {
        var product = call.Product;
        bool quantizes = call.OutputScales != 0;
        List<MemoryRegion> others = [Output(product, quantizes ? 1 : product.ElementBytes)];
        if (call.Bias != 0)
            others.Add(new MemoryRegion("bias", call.Bias, 1, product.N * 4, product.N * 4));
        if (quantizes)
        {
            int rowBytes = (product.N + 127) / 128 * 4;
            others.Add(new MemoryRegion("output scales", call.OutputScales, product.M, rowBytes, rowBytes, IsWritable: true));
        }
        var matmul = Int8MatmulArguments.Of(call);
        var common = matmul.Product;
        var kernel = HopperKernel.All[HopperKernel.IndexOfInt8(product.Plan, quantizes)];
        kernel = kernel with { SharedBytes = MatmulArguments.SharedBytes(product, kernel, multiprocessors) };
        Launch(
            kernel, MatmulArguments.Blocks(product, multiprocessors),
            product.Plan.SplitK, Memory(product, [.. others], []), common.Output, common.OutputPitch, common.OutputType, common.Store,
            common.RowScales, common.RowPitch, common.BlockPitch, common.WeightScales, common.Rows, common.Columns, common.Depth,
            common.Last, matmul.Bias, matmul.OutputScales);
    }
}
