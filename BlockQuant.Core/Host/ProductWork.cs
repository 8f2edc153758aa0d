using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>
/// Decoded rows of activations times the weights. An item is a strip of rows of the weights, which are decoded piece by piece and multiplied while
/// they are in the cache.
/// </summary>
internal readonly unsafe struct ProductWork<TLanes> : IRangeWork
    where TLanes : unmanaged, ILanes<TLanes>
{
    private const int Group = MicroKernel<TLanes>.Columns;

    /// <summary>Rows of the weights in a strip where many rows of activations share them.</summary>
    private const int MaxColumns = 3 * Group;

    /// <summary>Rows of activations whose partial sums are kept at a time: with the pieces of both operands they fit the first cache.</summary>
    private const int TileRows = 16;

    /// <summary>With few rows, more than one group of weights at a time would only be more streams from memory.</summary>
    private const int FewRows = 8;

    private const int PrefetchedElements = 8 * DepthPiece.MaxLength;

    private readonly HostOperand weights;
    private readonly HostSink sink;
    private readonly HostRows rows;
    private readonly DepthPiece[] pieces;
    private readonly long n;
    private readonly int columns;

    /// <summary>Whether one row of activations, or a few, meet weights that can be decoded in registers.</summary>
    private readonly bool inRegisters;

    /// <summary>[piece][row][padded depth]: rows as far apart as the matrix's would share a few sets of the cache.</summary>
    private readonly float* decoded;

    /// <summary>[piece][row].</summary>
    private readonly float* scales;

    private ProductWork(
        in HostOperand weights, in HostSink sink, HostRows rows, DepthPiece[] pieces, long n, int columns, float* decoded, float* scales)
    {
        this.weights = weights;
        this.sink = sink;
        this.rows = rows;
        this.pieces = pieces;
        this.n = n;
        this.columns = columns;
        inRegisters = (rows.Count == 1 || (rows.Count <= FewRows && typeof(TLanes) == typeof(Lanes512) && Float8Rows.Takes(weights)))
            && weights.Cast is null && Array.TrueForAll(pieces, piece => piece.Length % HostDecoder.Granule == 0);
        this.decoded = decoded;
        this.scales = scales;
    }

    public static void Run(in HostOperand activations, in HostOperand weights, in HostSink sink, HostRows rows, long n, DepthPiece[] pieces)
    {
        // Strips enough for every core to take several, so that none waits long for the last.
        long share = n / (4L * Environment.ProcessorCount) / Group * Group;
        int columns = rows.Count <= FewRows ? Group : (int)Math.Clamp(share, Group, MaxColumns);
        long stride = pieces.Length == 0 ? 0 : pieces[^1].Padded + pieces[^1].PaddedLength;
        using var space = HostWorkspace.Floats(rows.Count * (stride + pieces.Length));
        float* decoded = (float*)space.Start;
        float* scales = decoded + rows.Count * stride;
        long rowChunk = ParallelRange.LeastChunk / Math.Max(1, stride);
        ParallelRange.Run(new RowDecodingWork(activations, rows, pieces, decoded, scales), rows.Count, rowChunk);
        var work = new ProductWork<TLanes>(weights, sink, rows, pieces, n, columns, decoded, scales);
        long strips = (n + columns - 1) / columns;
        long chunkElements = work.inRegisters ? ParallelRange.StreamChunk(n * stride) : ParallelRange.LeastChunk;
        ParallelRange.Run(work, strips, chunkElements / Math.Max(1, stride * columns));
    }

    public void Run(long begin, long end)
    {
        if (inRegisters)
        {
            long last = Math.Min(n, end * columns);
            if (rows.Count == 1)
            {
                MultiplyRow(begin * columns, last);
            }
            else
            {
                MultiplyRows(begin * columns, last);
            }

            return;
        }

        // Weights that several tiles of rows share are decoded once, unless pieces are so short that their padding would be most of it.
        bool whole = rows.Count > TileRows && pieces.Length > 0 && pieces.Length * (long)DepthPiece.MaxLength <= 2 * (pieces[^1].Padded + pieces[^1].PaddedLength);
        int kept = whole ? pieces.Length : 1;
        int height = (int)Math.Min(TileRows, rows.Count);
        long rightFloats = (long)kept * columns * DepthPiece.MaxLength;
        using var space = new HostWorkspace(
            (long)columns * height * sizeof(TLanes) + (Group * TileRows + rightFloats + (long)kept * columns) * sizeof(float));
        var totals = (TLanes*)space.Start;
        float* right = (float*)(totals + columns * height);
        float* columnScales = right + rightFloats;
        float* factors = columnScales + (long)kept * columns;
        for (long strip = begin; strip < end; strip++)
        {
            long column = strip * columns;
            int count = (int)Math.Min(columns, n - column);
            for (int i = 0; whole && i < pieces.Length; i++)
            {
                Decode(pieces[i], column, count, right + (long)i * columns * DepthPiece.MaxLength, columnScales + (long)i * columns);
            }

            for (int row = 0; row < rows.Count; row += height)
            {
                int tileRows = (int)Math.Min(height, rows.Count - row);
                new Span<TLanes>(totals, columns * height).Clear();
                for (int i = 0; i < pieces.Length; i++)
                {
                    long place = whole ? i : 0;
                    float* pieceRight = right + place * columns * DepthPiece.MaxLength;
                    float* pieceScales = columnScales + place * columns;
                    if (!whole)
                    {
                        Decode(pieces[i], column, count, pieceRight, pieceScales);
                    }

                    Multiply(i, row, tileRows, count, pieceRight, pieceScales, factors, totals);
                }

                Store(column, count, row, tileRows, totals);
            }
        }
    }

    /// <summary>The one row of activations times the weights' rows from <paramref name="begin"/> to <paramref name="end"/>, each read once.</summary>
    private void MultiplyRow(long begin, long end)
    {
        float* values = stackalloc float[HostSink.MaxCount];
        for (long column = begin; column < end; column += HostSink.MaxCount)
        {
            int count = (int)Math.Min(HostSink.MaxCount, end - column);
            for (int c = 0; c < count; c++)
            {
                values[c] = weights.Decoder.Multiply(decoded, scales, weights.Row(column + c), weights.RowScales(column + c), pieces);
            }

            sink.Store(rows[0], column, count, values);
        }
    }

    /// <summary>A few rows of activations times the weights' rows from <paramref name="begin"/> to <paramref name="end"/>, each read from memory once.</summary>
    private void MultiplyRows(long begin, long end)
    {
        const int Rows = Float8Rows.Rows;
        float* values = stackalloc float[FewRows * HostSink.MaxCount];
        float* group = stackalloc float[Rows * Float8Rows.Columns];
        int height = (int)rows.Count;
        for (long column = begin; column < end; column += HostSink.MaxCount)
        {
            int count = (int)Math.Min(HostSink.MaxCount, end - column);
            for (int c = 0; c < count; c += Float8Rows.Columns)
            {
                int next = Math.Min(c + 1, count - 1);
                for (int row = 0; row < height; row += Rows)
                {
                    Float8Rows.Multiply(
                        decoded, scales, height, row, weights.Row(column + c), weights.Row(column + next), weights.RowScales(column + c),
                        weights.RowScales(column + next), pieces, group);
                    for (int r = 0; r < Math.Min(Rows, height - row); r++)
                    {
                        values[(row + r) * HostSink.MaxCount + c] = group[r];
                        values[(row + r) * HostSink.MaxCount + next] = group[c == next ? r : Rows + r];
                    }
                }
            }

            for (int row = 0; row < height; row++)
            {
                sink.Store(rows[row], column, count, values + row * HostSink.MaxCount);
            }
        }
    }

    /// <summary>One piece of a strip's rows of the weights, padded with zeros, and their scales.</summary>
    private void Decode(in DepthPiece piece, long column, int count, float* right, float* columnScales)
    {
        for (int c = 0; c < count; c++)
        {
            float* target = right + c * DepthPiece.MaxLength;
            float* rowScales = weights.RowScales(column + c);
            byte* row = weights.Row(column + c);
            if (Sse.IsSupported)
            {
                // A strip's rows lie far apart, and the machine follows only a few streams by itself.
                byte* ahead = row + (piece.K + PrefetchedElements) * weights.Decoder.Size;
                Sse.Prefetch0(ahead);
                Sse.Prefetch0(ahead + 64);
            }

            weights.Decode(row, piece.K, piece.Length, target);
            for (int k = piece.Length; k < piece.PaddedLength; k++)
            {
                target[k] = 0f;
            }

            columnScales[c] = rowScales is null ? 1f : rowScales[piece.WeightScale];
        }

        // Columns that fill up the last group are zero.
        for (int c = count; c % Group != 0; c++)
        {
            new Span<float>(right + c * DepthPiece.MaxLength, piece.PaddedLength).Clear();
            columnScales[c] = 0f;
        }
    }

    /// <summary>One piece of the depth of a tile.</summary>
    private void Multiply(int index, int row, int height, int count, float* right, float* columnScales, float* factors, TLanes* totals)
    {
        ref readonly DepthPiece piece = ref pieces[index];
        int depth = piece.PaddedLength;
        float* left = decoded + piece.Padded * rows.Count + (long)row * depth;
        float* rowScales = scales + index * rows.Count + row;
        for (int c = 0; c < count; c += Group)
        {
            for (int g = 0; g < Group; g++)
            {
                Scale(rowScales, columnScales[c + g], factors + g * TileRows, height);
            }

            for (int r = 0; r < height;)
            {
                r += MicroKernel<TLanes>.Multiply(
                    height - r, left + r * depth, depth, right + c * DepthPiece.MaxLength, depth, factors + r, TileRows, totals + r * columns + c, columns);
            }
        }
    }

    /// <summary>Factors of a column: the scales of its rows times its own.</summary>
    private static void Scale(float* rowScales, float columnScale, float* factors, int height)
    {
        int r = 0;
        TLanes factor = TLanes.Create(BitConverter.SingleToInt32Bits(columnScale));
        for (; r <= height - TLanes.Count; r += TLanes.Count)
        {
            TLanes.Store(TLanes.MultiplySingle(TLanes.Load(ref ((int*)rowScales)[r]), factor), ref ((int*)factors)[r]);
        }

        for (; r < height; r++)
        {
            factors[r] = rowScales[r] * columnScale;
        }
    }

    private void Store(long column, int count, int row, int height, TLanes* totals)
    {
        float* values = stackalloc float[MaxColumns];
        for (int r = 0; r < height; r++)
        {
            for (int c = 0; c < count; c++)
            {
                values[c] = TLanes.SumSingle(totals[r * columns + c]);
            }

            sink.Store(rows[row + r], column, count, values);
        }
    }
}
