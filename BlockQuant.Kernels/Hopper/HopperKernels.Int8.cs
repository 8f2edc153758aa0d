using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <content>The INT8 kernels.</content>
internal sealed unsafe partial class HopperKernels
{
    /// <summary>Starts an INT8 matmul in <paramref name="stream"/>.</summary>
    public void Matmul(in Int8MatmulCall call, IntPtr stream)
    {
        var product = call.Product;
        bool quantizes = call.OutputScales != 0, decode = product.Plan.Kind == HopperKernelKind.Decode;
        int elementBytes = quantizes ? 1 : product.OutputType == OutputType.Single ? 4 : 2;
        long output = product.Output, outputPitch = product.OutputPitch * elementBytes, bias = call.Bias, scales = call.OutputScales;
        long rowScales = product.ActivationScales, rowPitch = product.ScaleRowStride * 4, blockPitch = product.ScaleBlockStride * 4;
        long weightScales = product.WeightScales;
        int rows = product.M, columns = product.N, depth = product.K;
        int last = decode ? (product.ConstantWeights ? 1 : 0) : product.Plan.GroupM;
        // Sixteen bytes at a time from Prefill, four elements at a time from Decode.
        int chunk = decode ? 4 * elementBytes : 16;
        int vector = (output | outputPitch | (decode ? 0 : (long)columns * elementBytes)) % chunk == 0 ? 1 : 0;
        int form = quantizes ? (call.Nearest ? 1 : 0) : (int)product.OutputType;

        byte* space = stackalloc byte[2 * sizeof(TensorMap) + 63];
        var maps = (TensorMap*)(((nint)space + 63) & ~63);
        TensorMap.EncodeBytes(maps, product.Activations, rows, depth, product.ActivationPitch, product.Plan.TileM);
        TensorMap.EncodeBytes(maps + 1, product.Weights, columns, depth, product.WeightPitch, product.Plan.TileN);
        void** arguments = stackalloc void*[]
        {
            &output, &outputPitch, &form, &vector, &rowScales, &rowPitch, &blockPitch, &weightScales, &rows, &columns, &depth, &last,
            &bias, &scales, maps, maps + 1,
        };

        int tiles = checked(Tiles(rows, product.Plan.TileM) * Tiles(columns, product.Plan.TileN));
        int grid = decode ? tiles * product.Plan.SplitK : Math.Min(tiles, multiprocessors);
        Launch(HopperKernel.IndexOfInt8(product.Plan, quantizes), grid, product.Plan.SplitK, arguments, stream);
    }
}
