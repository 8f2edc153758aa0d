namespace BlockQuant.Reference;

public static partial class ReferenceOperators
{
    /// <summary>Sorts the slots of all tokens by expert, stably, and counts them.</summary>
    /// <param name="expertIds">The experts of each token [S, k].</param>
    /// <param name="experts">E, the experts.</param>
    /// <param name="tileM">Rows of a tile.</param>
    /// <exception cref="ArgumentException">An id is out of range, or <paramref name="tileM"/> is below 1.</exception>
    public static RoutedRows RouteExperts(ReadOnlySpan<int> expertIds, int experts, int tileM)
    {
        if (tileM < 1)
        {
            throw new ArgumentException($"tileM: {tileM}; expected at least 1.", nameof(tileM));
        }

        int[] ids = expertIds.ToArray();
        int wrong = Array.FindIndex(ids, id => id < 0 || id >= experts);
        if (wrong >= 0)
        {
            throw new ArgumentException($"expertIds: {ids[wrong]} at slot {wrong}; expected 0 to {experts - 1}.", nameof(expertIds));
        }

        var counts = new int[experts];
        foreach (int id in ids)
        {
            counts[id]++;
        }

        // OrderBy is stable.
        int[] rowSlots = [.. Enumerable.Range(0, ids.Length).OrderBy(slot => ids[slot])];
        var slotRows = new int[ids.Length];
        for (int row = 0; row < rowSlots.Length; row++)
        {
            slotRows[rowSlots[row]] = row;
        }

        return new RoutedRows(slotRows, rowSlots, counts, Cumulate(counts, 1), Cumulate(counts, tileM));
    }

    /// <summary>Each token's weighted sum of its slots' rows: the way back from expert order to token order.</summary>
    /// <param name="rows">The experts' results in sorted order [S·k, N].</param>
    /// <param name="slotRows">The sorted row of each slot [S, k].</param>
    /// <param name="weights">The weight of each slot [S, k].</param>
    /// <param name="topK">k, the experts of a token.</param>
    /// <returns>[S, N].</returns>
    /// <exception cref="ArgumentException">A length does not fit the others.</exception>
    public static double[] CombineExperts(ReadOnlySpan<double> rows, ReadOnlySpan<int> slotRows, ReadOnlySpan<float> weights, int topK)
    {
        int slots = slotRows.Length;
        if (topK < 1 || slots % topK != 0 || weights.Length != slots || (slots == 0 ? rows.Length != 0 : rows.Length % slots != 0))
        {
            throw new ArgumentException($"rows, slotRows, weights: lengths {rows.Length}, {slots}, {weights.Length}; expected S x k x N, S x k, S x k with k = {topK}.");
        }

        int columns = slots == 0 ? 0 : rows.Length / slots;
        var sums = new double[slots / topK * columns];
        for (int slot = 0; slot < slots; slot++)
        {
            for (int column = 0; column < columns; column++)
            {
                sums[slot / topK * columns + column] += weights[slot] * rows[slotRows[slot] * columns + column];
            }
        }

        return sums;
    }

    private static int[] Cumulate(int[] counts, int tile)
    {
        var starts = new int[counts.Length + 1];
        for (int expert = 0; expert < counts.Length; expert++)
        {
            starts[expert + 1] = starts[expert] + (counts[expert] + tile - 1) / tile;
        }

        return starts;
    }
}
