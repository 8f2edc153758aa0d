namespace BlockQuant.Host;

/// <summary>Rows of the activations that are multiplied: neighbours, or gathered by an index.</summary>
/// <param name="first">The first row, where <paramref name="indices"/> is null.</param>
/// <param name="indices">The row of each place, or null.</param>
/// <param name="count">Rows.</param>
internal readonly unsafe struct HostRows(long first, int* indices, long count)
{
    private readonly long first = first;
    private readonly int* indices = indices;

    public long Count { get; } = count;

    public long this[long place] => indices is null ? first + place : indices[place];

    public HostRows Slice(long begin, long length)
        => indices is null ? new HostRows(first + begin, null, length) : new HostRows(0, indices + begin, length);
}

/// <summary>C = A·Bᵀ: float32 over one <see cref="DepthPiece"/> at a time, then scaled and added.</summary>
/// <remarks>The order of an element's sum depends on the pieces and the machine's vectors alone: not on other rows or columns, nor on how many.</remarks>
internal static class HostProduct
{
    /// <summary>Rows of activations that are decoded at a time.</summary>
    private const long MaxRows = 128;

    /// <summary>Multiplies over the depth from <paramref name="begin"/> to <paramref name="end"/>.</summary>
    public static void Run(
        in HostOperand activations, in HostOperand weights, in HostSink sink, HostRows rows, long n, long begin, long end, VectorWidth width)
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Run<Lanes512>(activations, weights, sink, rows, n, begin, end, width);
                break;
            case VectorWidth.Bits256:
                Run<Lanes256>(activations, weights, sink, rows, n, begin, end, width);
                break;
            default:
                Run<Lanes128>(activations, weights, sink, rows, n, begin, end, width);
                break;
        }
    }

    private static void Run<TLanes>(
        in HostOperand activations, in HostOperand weights, in HostSink sink, HostRows rows, long n, long begin, long end, VectorWidth width)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        if (rows.Count == 0 || n == 0)
        {
            return;
        }

        DepthPiece[] pieces = DepthPiece.Cut(activations, weights, begin, end);
        for (long row = 0; row < rows.Count; row += MaxRows)
        {
            HostRows slice = rows.Slice(row, Math.Min(MaxRows, rows.Count - row));
            if (Int8ProductWork.Takes(activations, weights, width))
            {
                Int8ProductWork.Run(activations, weights, sink, slice, n, pieces);
            }
            else
            {
                ProductWork<TLanes>.Run(activations, weights, sink, slice, n, pieces);
            }
        }
    }
}
