using BlockQuant.Host;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>GELU of quantized rows.</summary>
internal static unsafe class HostGelu
{
    /// <summary><see cref="BlockGeluKernel"/>: format.</summary>
    public static Delegate Blocks(Type[] types)
    {
        HostFormatKind format = HostKernels.Format(types[0]);
        return (Action<BlockGeluArguments>)(a => HostGeluWork.Run(
            HostViews.Activations(a.Source, format),
            HostViews.Pointer(a.Codes),
            HostViews.Pointer(a.Scales),
            new ScaleGrid(a.Rows, a.Source.K, 1, a.OutputBlock, a.Rows, MatrixIndex.CeilDivide(a.Source.K, a.OutputBlock)),
            format,
            Int8Code.MinOutputScale,
            HostVectors.Widest));
    }
}
