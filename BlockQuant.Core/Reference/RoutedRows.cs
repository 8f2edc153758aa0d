namespace BlockQuant.Reference;

/// <summary>The rows of a mixture of experts, sorted by expert. A slot is one of the k choices of a token: slot j of token t has the number t·k + j.</summary>
/// <param name="SlotRows">The sorted row of each slot [S, k].</param>
/// <param name="RowSlots">The slot of each sorted row [S·k]; the slots of one expert keep their order.</param>
/// <param name="Counts">Rows of each expert [E].</param>
/// <param name="Indptr">Where each expert's rows begin, and where the last one's end [E + 1].</param>
/// <param name="TileOffsets">Where each expert's tiles of rows begin, and where the last one's end [E + 1]: cumulative ⌈count / TileM⌉.</param>
public sealed record RoutedRows(int[] SlotRows, int[] RowSlots, int[] Counts, int[] Indptr, int[] TileOffsets);
