namespace BlockQuant.Host;

/// <summary>
/// INT8 activations times INT8 weights on integer dot products. An item is a strip of rows of the weights, which are packed piece by piece and
/// multiplied while they are in the cache.
/// </summary>
/// <remarks>A piece's sum is exact, so an element's total has one order, piece after piece, however many rows there are.</remarks>
internal readonly unsafe struct Int8ProductWork : IRangeWork
{
    private const int Columns = Int8Kernel.Columns;

    /// <summary>How far ahead a row of the weights is asked for.</summary>
    private const int AheadBytes = 1024;

    private readonly HostOperand weights;
    private readonly HostSink sink;
    private readonly HostRows rows;
    private readonly DepthPiece[] pieces;
    private readonly long n;
    private readonly Int8Rows left;

    private Int8ProductWork(in HostOperand weights, in HostSink sink, HostRows rows, DepthPiece[] pieces, long n, in Int8Rows left)
    {
        this.weights = weights;
        this.sink = sink;
        this.rows = rows;
        this.pieces = pieces;
        this.n = n;
        this.left = left;
    }

    /// <summary>Whether the operands are INT8 codes, and the machine multiplies them.</summary>
    public static bool Takes(in HostOperand activations, in HostOperand weights, VectorWidth width)
        => Int8Kernel.IsSupported && width != VectorWidth.Bits128
            && activations.Cast is null && activations.Decoder == HostDecoder.Int8(width)
            && weights.Cast is null && weights.Decoder == HostDecoder.Int8(width);

    public static void Run(in HostOperand activations, in HostOperand weights, in HostSink sink, HostRows rows, long n, DepthPiece[] pieces)
    {
        // One row meets weights as they lie in memory, if all its pieces are whole vectors.
        bool single = rows.Count == 1 && pieces.Length > 0 && Array.TrueForAll(pieces, piece => piece.Length % HostDecoder.Granule == 0);
        long stride = pieces.Length == 0 ? 0 : pieces[^1].Padded + pieces[^1].PaddedLength;
        long padded = single ? 1 : (rows.Count + Int8Kernel.Rows - 1) / Int8Kernel.Rows * Int8Kernel.Rows;
        using var space = new HostWorkspace(padded * (stride + pieces.Length * (sizeof(int) + sizeof(float))));
        var left = new Int8Rows(activations, rows, pieces, padded, space.Start, stride);
        ParallelRange.Run(left, padded, ParallelRange.LeastChunk / Math.Max(1, stride));
        var work = new Int8ProductWork(weights, sink, rows, pieces, n, left);
        if (single)
        {
            ParallelRange.Run(new RowWork(work), n, ParallelRange.StreamChunk(n * stride) / Math.Max(1, stride));
        }
        else
        {
            ParallelRange.Run(work, (n + Columns - 1) / Columns, ParallelRange.LeastChunk / Math.Max(1, stride * Columns));
        }
    }

    public void Run(long begin, long end)
    {
        const int PieceBytes = Columns * DepthPiece.MaxLength;
        using var space = new HostWorkspace(2 * PieceBytes + (1 + left.Count) * Columns * sizeof(float));
        byte* right = space.Start;
        byte* packed = right + PieceBytes;
        float* rightScales = (float*)(packed + PieceBytes);
        float* totals = rightScales + Columns;
        for (long strip = begin; strip < end; strip++)
        {
            long column = strip * Columns;
            int count = (int)Math.Min(Columns, n - column);
            new Span<float>(totals, (int)left.Count * Columns).Clear();
            for (int i = 0; i < pieces.Length; i++)
            {
                Gather(pieces[i], column, count, right, rightScales);
                Int8Kernel.Pack(right, pieces[i].Length, packed);
                for (int row = 0; row < left.Count; row += Int8Kernel.Rows)
                {
                    Int8Kernel.Multiply(
                        left.Values(i, row), pieces[i].PaddedLength, packed, (pieces[i].Length + 3) & ~3, left.Raised(i, row), left.Scales(i, row),
                        rightScales, totals + row * Columns);
                }
            }

            for (int row = 0; row < rows.Count; row++)
            {
                sink.Store(rows[row], column, count, totals + row * Columns);
            }
        }
    }

    /// <summary>One piece of a strip's rows of the weights, as long as whole vectors, and their scales.</summary>
    private void Gather(in DepthPiece piece, long column, int count, byte* right, float* rightScales)
    {
        for (int c = 0; c < count; c++)
        {
            byte* row = weights.Row(column + c) + piece.K;
            float* scales = weights.RowScales(column + c);
            HostVectors.Prefetch(row + AheadBytes);
            HostVectors.Prefetch(row + AheadBytes + LineStream.Line);
            Buffer.MemoryCopy(row, right + c * DepthPiece.MaxLength, DepthPiece.MaxLength, piece.Length);
            rightScales[c] = scales is null ? 1f : scales[piece.WeightScale];
        }
    }

    /// <summary>One row of activations. An item is a row of the weights, each read once.</summary>
    private readonly struct RowWork(Int8ProductWork product) : IRangeWork
    {
        private readonly Int8ProductWork product = product;

        public void Run(long begin, long end)
        {
            float* values = stackalloc float[HostSink.MaxCount];
            for (long column = begin; column < end; column += HostSink.MaxCount)
            {
                int count = (int)Math.Min(HostSink.MaxCount, end - column);
                for (int c = 0; c < count; c++)
                {
                    values[c] = Int8Kernel.MultiplyRow(
                        product.left.Values(0, 0), product.left.Raised(0, 0), product.left.Scales(0, 0), product.weights.Row(column + c),
                        product.weights.RowScales(column + c), product.pieces);
                }

                product.sink.Store(product.rows[0], column, count, values);
            }
        }
    }
}
