namespace BlockQuant.Host;

/// <summary>
/// Rows of INT8 activations piece by piece, each padded with zeros, with the scales of their pieces and what the raised weights add to their sums; rows
/// that fill up the last group are zero. Items, which fill it in, are rows.
/// </summary>
/// <param name="operand">The activations.</param>
/// <param name="rows">Which rows.</param>
/// <param name="pieces">The pieces.</param>
/// <param name="count">Rows with those that fill up.</param>
/// <param name="space">Memory for <paramref name="count"/> × (<paramref name="stride"/> codes and one sum and scale a piece).</param>
/// <param name="stride">Codes of a row with their padding.</param>
internal readonly unsafe struct Int8Rows(HostOperand operand, HostRows rows, DepthPiece[] pieces, long count, byte* space, long stride) : IRangeWork
{
    private readonly HostOperand operand = operand;
    private readonly HostRows rows = rows;
    private readonly DepthPiece[] pieces = pieces;

    /// <summary>[piece][row][padded depth].</summary>
    private readonly sbyte* values = (sbyte*)space;

    /// <summary>[piece][row].</summary>
    private readonly int* raised = (int*)(space + count * stride);

    /// <summary>[piece][row].</summary>
    private readonly float* scales = (float*)(space + count * stride) + count * pieces.Length;

    /// <summary>Rows with those that fill up.</summary>
    public long Count { get; } = count;

    /// <summary>The codes of a piece from a row on.</summary>
    public sbyte* Values(int piece, long row) => values + pieces[piece].Padded * Count + row * pieces[piece].PaddedLength;

    /// <summary>What is added to the sums of a piece from a row on.</summary>
    public int* Raised(int piece, long row) => raised + piece * Count + row;

    /// <summary>The scales of a piece from a row on.</summary>
    public float* Scales(int piece, long row) => scales + piece * Count + row;

    public void Run(long begin, long end)
    {
        for (long row = begin; row < end; row++)
        {
            bool filling = row >= rows.Count;
            byte* codes = filling ? null : operand.Row(rows[row]);
            float* rowScales = filling ? null : operand.RowScales(rows[row]);
            for (int i = 0; i < pieces.Length; i++)
            {
                ref readonly DepthPiece piece = ref pieces[i];
                var target = new Span<sbyte>(Values(i, row), piece.PaddedLength);
                target.Clear();
                if (!filling)
                {
                    new Span<sbyte>(codes + piece.K, piece.Length).CopyTo(target);
                }

                int sum = 0;
                foreach (sbyte code in target)
                {
                    sum += code;
                }

                *Raised(i, row) = -Int8Kernel.Raise * sum;
                *Scales(i, row) = rowScales is null ? 1f : rowScales[piece.ActivationScale];
            }
        }
    }
}
