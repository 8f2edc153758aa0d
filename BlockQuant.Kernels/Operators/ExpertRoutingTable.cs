namespace BlockQuant;

/// <summary>A routing, and the workspace to compute it, in device memory that its holder owns; see <see cref="ExpertRouting"/>.</summary>
public sealed class ExpertRoutingTable : IDisposable
{
    private readonly List<IDisposable> owned = [];

    /// <summary>Allocates an uninitialised routing.</summary>
    /// <param name="device">Where.</param>
    /// <param name="tokens">T, the tokens.</param>
    /// <param name="topK">k, the experts of one token.</param>
    /// <param name="experts">E, the experts.</param>
    /// <exception cref="ArgumentException">There are more slots than a 64-bit integer counts.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public ExpertRoutingTable(ComputeDevice device, long tokens, int topK, int experts)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(topK);
        ArgumentOutOfRangeException.ThrowIfNegative(experts);
        try
        {
            SlotRows = Own(new DeviceMatrix<int>(device, tokens, topK));
            RowSlots = Own(device.Allocate<int>(SlotRows.Rows * topK));
            Counts = Own(device.Allocate<int>(experts));
            Indptr = Own(device.Allocate<int>(experts + 1L));
            Workspace = Own(device.Allocate<int>(ExpertRouting.WorkspaceLength(tokens, topK, experts)));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The sorted row of each slot [T, k]; −1 for a slot whose id is no expert.</summary>
    public DeviceMatrix<int> SlotRows { get; }

    /// <summary>The slot of each sorted row [T · k], whose token is slot / k; −1 for rows that no slot has.</summary>
    public DeviceBuffer<int> RowSlots { get; }

    /// <summary>The rows of each expert [E].</summary>
    public DeviceBuffer<int> Counts { get; }

    /// <summary>Where each expert's rows begin, and where the last one's end [E + 1].</summary>
    public DeviceBuffer<int> Indptr { get; }

    /// <summary>The workspace for the routing.</summary>
    public DeviceBuffer<int> Workspace { get; }

    /// <summary>T, the tokens.</summary>
    public long Tokens => SlotRows.Rows;

    /// <summary>k, the experts of one token.</summary>
    public int TopK => (int)SlotRows.Columns;

    /// <summary>E, the experts.</summary>
    public int Experts => (int)Counts.Length;

    /// <summary>T · k, the rows.</summary>
    public long Rows => RowSlots.Length;

    /// <summary>The device that holds the routing.</summary>
    public ComputeDevice Device => SlotRows.Device;

    /// <summary>The routing as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The routing is disposed.</exception>
    public ExpertRoutingView View => new(SlotRows.View, RowSlots.View, Counts.View, Indptr.View);

    /// <summary>Frees the memory.</summary>
    public void Dispose() => owned.ForEach(memory => memory.Dispose());

    private T Own<T>(T memory)
        where T : IDisposable
    {
        owned.Add(memory);
        return memory;
    }
}
