namespace BlockQuant.Scheduling;

/// <summary>The tensor-core kernel families for GPUs of compute capability 9.0.</summary>
internal enum HopperKernelKind
{
    /// <summary>Persistent, tokens as rows: tiles of 128 tokens and 32 to 256 weight rows.</summary>
    Prefill,

    /// <summary>Operands swapped, weights as rows: tiles of 128 or 64 weight rows and 8 to 128 tokens, K split over a cluster.</summary>
    Decode,

    /// <summary>
    /// <see cref="Prefill"/> over rows sorted by expert: tiles of 128 rows and 256 weight rows, or of up to 64, 128, 192 or 256 rows in
    /// pieces of 64 and 128 weight rows.
    /// </summary>
    GroupedPrefill,

    /// <summary><see cref="Decode"/> over rows sorted by expert: tiles of 128 weight rows and 16 to 64 rows, K not split.</summary>
    GroupedDecode,

    /// <summary><see cref="GroupedDecode"/> over rows in any order, so few that they are sorted on the way: tiles of 128 weight rows and 8 rows.</summary>
    BatchedDecode,
}

/// <summary>How one block-scaled FP8 matmul runs on a Hopper GPU.</summary>
/// <param name="Kind">The kernel family.</param>
/// <param name="TileM">Tokens of a tile.</param>
/// <param name="TileN">Weight rows of a tile.</param>
/// <param name="SplitK">Blocks of a cluster, which divide K; 1 for <see cref="HopperKernelKind.Prefill"/>.</param>
/// <param name="GroupM">Row tiles of a band that is worked through before the next, so that neighbours share operands in L2.</param>
/// <param name="OverlapStores">
/// Whether the copy engine writes finished tiles while the next ones are multiplied, where the output's type and layout permit it.
/// </param>
/// <param name="Pairs">
/// Whether two blocks, neighbours in a column of tiles, share the weights that each brings half of: a Prefill of 256 columns and an even number of
/// row tiles, in bands of an even number.
/// </param>
internal readonly record struct HopperPlan(
    HopperKernelKind Kind, int TileM, int TileN, int SplitK, int GroupM, bool OverlapStores = false, bool Pairs = false)
{
    /// <summary>Blocks of a cluster.</summary>
    public int ClusterSize => Pairs ? 2 : SplitK;
}
