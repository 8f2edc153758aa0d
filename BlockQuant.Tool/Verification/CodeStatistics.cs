namespace BlockQuant.Tool.Verification;

/// <summary>How the codes of a quantized weight are used, gathered piece by piece.</summary>
internal sealed class CodeStatistics(QuantizationScheme scheme)
{
    private const int ChunkElements = 1 << 18;

    private readonly Lock merging = new();

    /// <summary>How often each of the 256 codes occurs.</summary>
    public long[] Counts { get; } = new long[256];

    public ElementFormat Format => scheme.Format;

    /// <summary>Codes of the largest magnitude. Each block's largest element has one, unless INT8 rounds toward zero.</summary>
    public long Saturated => scheme.Format == ElementFormat.Float8E4M3 ? Counts[0x7E] + Counts[0xFE] : Counts[127] + Counts[0x81];

    /// <summary>NaN codes; INT8 has none.</summary>
    public long NaN => scheme.Format == ElementFormat.Float8E4M3 ? Counts[0x7F] + Counts[0xFF] : 0;

    /// <summary>Blocks all of whose codes are zero.</summary>
    public long ZeroBlocks { get; private set; }

    /// <summary>Counts a piece of whole blocks.</summary>
    public void Add(ReadOnlyMemory<byte> codes, int rows, int columns)
    {
        int chunks = (codes.Length + ChunkElements - 1) / ChunkElements;
        Parallel.For(0, chunks, index =>
        {
            int start = index * ChunkElements;
            CountCodes(codes.Span.Slice(start, Math.Min(ChunkElements, codes.Length - start)));
        });
        if (scheme.Granularity is ScaleGranularity.Block or ScaleGranularity.TokenGroup)
        {
            CountZeroBlocks(codes.Span, rows, columns);
        }
    }

    private void CountCodes(ReadOnlySpan<byte> codes)
    {
        Span<int> counts = stackalloc int[256];
        foreach (byte code in codes)
        {
            counts[code]++;
        }

        lock (merging)
        {
            for (int code = 0; code < 256; code++)
            {
                Counts[code] += counts[code];
            }
        }
    }

    private void CountZeroBlocks(ReadOnlySpan<byte> codes, int rows, int columns)
    {
        // −0 is a zero of FP8; as an INT8 code the same byte is −128.
        byte negativeZero = scheme.Format == ElementFormat.Float8E4M3 ? (byte)0x80 : (byte)0;
        for (int top = 0; top < rows; top += scheme.Block.Rows)
        {
            for (int left = 0; left < columns; left += scheme.Block.Columns)
            {
                int bottom = Math.Min(rows, top + scheme.Block.Rows);
                int width = Math.Min(scheme.Block.Columns, columns - left);
                bool isZero = true;
                for (int row = top; row < bottom && isZero; row++)
                {
                    isZero = !codes.Slice(row * columns + left, width).ContainsAnyExcept((byte)0, negativeZero);
                }

                ZeroBlocks += isZero ? 1 : 0;
            }
        }
    }
}
