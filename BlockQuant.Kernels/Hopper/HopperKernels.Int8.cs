using BlockQuant.Kernels.Cuda;

namespace BlockQuant.Kernels.Hopper;

/// <content>The INT8 kernels.</content>
internal sealed unsafe partial class HopperKernels
{
    /// <summary>Starts an INT8 matmul in <paramref name="stream"/>.</summary>
    public void Matmul(in Int8MatmulCall call, IntPtr stream)
    {
        var product = call.Product;
        var matmul = Int8MatmulArguments.Of(call);
        byte* space = stackalloc byte[2 * sizeof(TensorMap) + 63];
        var maps = (TensorMap*)(((nint)space + 63) & ~63);
        TensorMap.EncodeBytes(maps, product.Activations, product.M, product.K, product.ActivationPitch, MatmulArguments.ActivationBox(product));
        TensorMap.EncodeBytes(maps + 1, product.Weights, product.N, product.K, product.WeightPitch, product.Plan.TileN);
        var common = &matmul.Product;
        void** arguments = stackalloc void*[]
        {
            &common->Output, &common->OutputPitch, &common->OutputType, &common->Store, &common->RowScales, &common->RowPitch,
            &common->BlockPitch, &common->WeightScales, &common->Rows, &common->Columns, &common->Depth, &common->Last, &matmul.Bias,
            &matmul.OutputScales, maps, maps + 1,
        };
        int kernel = HopperKernel.IndexOfInt8(product.Plan, call.OutputScales != 0);
        Launch(
            kernel, MatmulArguments.Blocks(product, multiprocessors), product.Plan.SplitK,
            MatmulArguments.SharedBytes(product, HopperKernel.All[kernel], multiprocessors), arguments, stream);
    }
}
