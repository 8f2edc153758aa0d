using BlockQuant.Devices;
using BlockQuant.Host;
using BlockQuant.Kernels.Portable;
using ILGPU;

namespace BlockQuant.Kernels.Host;

/// <summary>Views of host memory as the engine takes them.</summary>
internal static unsafe class HostViews
{
    /// <summary>The address of the first element, or null where there is none.</summary>
    public static T* Pointer<T>(ArrayView<T> view)
        where T : unmanaged
        => view.Length == 0 ? null : (T*)ViewMemory.Address(view);

    public static HostOperand Activations(in QuantizedActivations a, HostFormatKind format) => new()
    {
        Decoder = HostKernels.Decoder(format),
        Values = Pointer(a.Codes),
        RowStride = a.K,
        Scales = Pointer(a.Scales),
        ScaleColumns = a.ScaleColumns,
        BlockRows = a.BlockRows,
        RowOffset = a.RowOffset,
        BlockColumns = a.BlockColumns,
        ColumnOffset = a.ColumnOffset,
    };

    public static HostOperand Weights(in QuantizedWeights w, HostFormatKind format) => new()
    {
        Decoder = HostKernels.Decoder(format),
        Values = Pointer(w.Codes),
        RowStride = w.K,
        Scales = Pointer(w.Scales),
        ScaleColumns = w.ScaleColumns,
        BlockRows = w.BlockRows,
        RowOffset = w.RowOffset,
        BlockColumns = w.BlockColumns,
        ColumnOffset = w.ColumnOffset,
    };

    public static HostSink Sink<TBits>(ArrayView<TBits> output, long columns, HostElementKind element)
        where TBits : unmanaged
        => new()
        {
            Element = HostElement.Of(element, HostVectors.Widest),
            Output = (byte*)Pointer(output),
            RowStride = columns,
        };
}
