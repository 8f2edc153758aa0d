using BlockQuant.Kernels.Portable;

namespace BlockQuant;

/// <summary>Turns the operands of an operator into the arguments of a kernel.</summary>
internal static class Operands
{
    public static QuantizedActivations Activations<TCode>(QuantizedView<TCode> view)
        where TCode : unmanaged
        => new()
        {
            Codes = view.Codes.Data.Cast<byte>(),
            Scales = view.Scales.Data,
            K = view.Columns,
            ScaleColumns = view.Scales.Columns,
            BlockRows = view.BlockRows,
            BlockColumns = view.BlockColumns,
            RowOffset = view.ScaleRowOffset,
            ColumnOffset = view.ScaleColumnOffset,
        };

    public static QuantizedWeights Weights<TCode>(QuantizedView<TCode> view)
        where TCode : unmanaged
        => new()
        {
            Codes = view.Codes.Data.Cast<byte>(),
            Scales = view.Scales.Data,
            N = view.Rows,
            K = view.Columns,
            ScaleRows = view.Scales.Rows,
            ScaleColumns = view.Scales.Columns,
            BlockRows = view.BlockRows,
            BlockColumns = view.BlockColumns,
            RowOffset = view.ScaleRowOffset,
            ColumnOffset = view.ScaleColumnOffset,
        };

    public static QuantizedWeights Weights<TCode>(ExpertWeightsView<TCode> view)
        where TCode : unmanaged
        => new()
        {
            Codes = view.Codes.Cast<byte>(),
            Scales = view.Scales,
            N = view.Rows,
            K = view.Columns,
            ScaleRows = view.ScaleRows,
            ScaleColumns = view.ScaleColumns,
            BlockRows = view.BlockRows,
            BlockColumns = view.BlockColumns,
            RowOffset = view.ScaleRowOffset,
            ColumnOffset = view.ScaleColumnOffset,
        };
}
