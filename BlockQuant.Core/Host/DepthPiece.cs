namespace BlockQuant.Host;

/// <summary>A stretch of K in which no scale changes, short enough for its decoded rows to stay in the cache.</summary>
internal readonly record struct DepthPiece(long K, int Length, long Padded, long ActivationScale, long WeightScale)
{
    /// <summary>The longest piece.</summary>
    public const int MaxLength = 128;

    /// <summary>Decoded rows are padded with zeros to a multiple of this, the lanes of the widest vectors.</summary>
    public const int Padding = 16;

    /// <summary>The length with its padding.</summary>
    public int PaddedLength => (Length + Padding - 1) / Padding * Padding;

    /// <summary>Cuts K at the block edges of both operands. <see cref="Padded"/> is where a piece begins in rows of padded pieces.</summary>
    public static DepthPiece[] Cut(in HostOperand activations, in HostOperand weights, long begin, long end)
    {
        var pieces = new List<DepthPiece>();
        long padded = 0;
        for (long k = begin; k < end;)
        {
            long activationBlock = (k + activations.ColumnOffset) / activations.BlockColumns;
            long weightBlock = (k + weights.ColumnOffset) / weights.BlockColumns;
            long edge = Math.Min(
                (activationBlock + 1) * activations.BlockColumns - activations.ColumnOffset, (weightBlock + 1) * weights.BlockColumns - weights.ColumnOffset);
            int length = (int)Math.Min(Math.Min(end, edge) - k, MaxLength);
            var piece = new DepthPiece(k, length, padded, activationBlock, weightBlock);
            pieces.Add(piece);
            padded += piece.PaddedLength;
            k += length;
        }

        return [.. pieces];
    }
}
