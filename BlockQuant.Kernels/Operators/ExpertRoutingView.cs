using ILGPU;

namespace BlockQuant;

/// <summary>Which row goes to which expert, in device memory that somebody else owns; see <see cref="ExpertRouting"/>.</summary>
/// <remarks>
/// A slot is one of the k choices of a token: slot j of token t has the number t · k + j. The T · k slots become as many rows, sorted by
/// (expert, token, slot).
/// </remarks>
public readonly struct ExpertRoutingView
{
    /// <summary>Puts the parts of a routing together.</summary>
    /// <param name="slotRows">Gets the sorted row of each slot [T, k]; −1 for a slot whose id is no expert.</param>
    /// <param name="rowSlots">Gets the slot of each sorted row [T · k]; −1 for the last rows, which such slots leave empty.</param>
    /// <param name="counts">Gets the rows of each expert [E].</param>
    /// <param name="indptr">Gets where each expert's rows begin, and where the last one's end [E + 1].</param>
    /// <exception cref="ArgumentException">A length is not that of the shape.</exception>
    public ExpertRoutingView(MatrixView<int> slotRows, ArrayView<int> rowSlots, ArrayView<int> counts, ArrayView<int> indptr)
    {
        if (rowSlots.Length != slotRows.Data.Length)
        {
            throw new ArgumentException(
                $"rowSlots: length {rowSlots.Length}; expected {slotRows.Data.Length}, the slots of slotRows {slotRows.Shape}.", nameof(rowSlots));
        }

        if (indptr.Length != counts.Length + 1)
        {
            throw new ArgumentException($"indptr: length {indptr.Length}; expected {counts.Length + 1}, one more than counts.", nameof(indptr));
        }

        SlotRows = slotRows;
        RowSlots = rowSlots;
        Counts = counts;
        Indptr = indptr;
    }

    /// <summary>The sorted row of each slot [T, k], or −1.</summary>
    public MatrixView<int> SlotRows { get; }

    /// <summary>The slot of each sorted row [T · k], or −1; its token is slot / k.</summary>
    public ArrayView<int> RowSlots { get; }

    /// <summary>The rows of each expert [E].</summary>
    public ArrayView<int> Counts { get; }

    /// <summary>Where each expert's rows begin, and where the last one's end [E + 1].</summary>
    public ArrayView<int> Indptr { get; }

    /// <summary>T, the tokens.</summary>
    public long Tokens => SlotRows.Rows;

    /// <summary>k, the experts of one token.</summary>
    public int TopK => (int)SlotRows.Columns;

    /// <summary>E, the experts.</summary>
    public int Experts => (int)Counts.Length;

    /// <summary>T · k, the rows.</summary>
    public long Rows => RowSlots.Length;
}
