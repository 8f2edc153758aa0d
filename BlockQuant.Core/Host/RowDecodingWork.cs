namespace BlockQuant.Host;

/// <summary>Decodes rows of activations, each piece padded with zeros to whole vectors, and gathers their scales. An item is a row.</summary>
internal readonly unsafe struct RowDecodingWork(HostOperand operand, HostRows rows, DepthPiece[] pieces, float* decoded, float* scales)
    : IRangeWork
{
    private readonly HostOperand operand = operand;
    private readonly HostRows rows = rows;
    private readonly DepthPiece[] pieces = pieces;
    private readonly float* decoded = decoded;
    private readonly float* scales = scales;

    public void Run(long begin, long end)
    {
        for (long row = begin; row < end; row++)
        {
            byte* values = operand.Row(rows[row]);
            float* rowScales = operand.RowScales(rows[row]);
            for (int i = 0; i < pieces.Length; i++)
            {
                ref readonly DepthPiece piece = ref pieces[i];
                float* target = decoded + piece.Padded * rows.Count + row * piece.PaddedLength;
                operand.Decode(values, piece.K, piece.Length, target);
                new Span<float>(target + piece.Length, piece.PaddedLength - piece.Length).Clear();
                scales[i * rows.Count + row] = rowScales is null ? 1f : rowScales[piece.ActivationScale];
            }
        }
    }
}
