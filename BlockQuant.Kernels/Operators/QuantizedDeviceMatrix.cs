namespace BlockQuant;

/// <summary>A quantized matrix in device memory that its holder owns: codes [rows, columns] and their scales.</summary>
/// <typeparam name="TCode"><see cref="Float8E4M3"/> or <see cref="sbyte"/>.</typeparam>
public sealed class QuantizedDeviceMatrix<TCode> : IDisposable
    where TCode : unmanaged
{
    private readonly int scaleRowOffset;
    private readonly int scaleColumnOffset;

    /// <summary>Allocates an uninitialised quantized matrix.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">Rows of the codes.</param>
    /// <param name="columns">Columns of the codes.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="scaleRowOffset">Rows of the first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of the first scale block that lie before this shard.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public QuantizedDeviceMatrix(
        ComputeDevice device, long rows, long columns, QuantizationScheme scheme, int scaleRowOffset = 0, int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        Codes = new DeviceMatrix<TCode>(device, rows, columns);
        try
        {
            Scales = new DeviceMatrix<float>(device, scaleRows, scaleColumns);
        }
        catch
        {
            Codes.Dispose();
            throw;
        }

        Scheme = scheme;
        this.scaleRowOffset = scaleRowOffset;
        this.scaleColumnOffset = scaleColumnOffset;
    }

    /// <summary>The codes [rows, columns].</summary>
    public DeviceMatrix<TCode> Codes { get; }

    /// <summary>The scales.</summary>
    public DeviceMatrix<float> Scales { get; }

    /// <summary>What one scale covers.</summary>
    public QuantizationScheme Scheme { get; }

    /// <inheritdoc cref="QuantizedView{TCode}.IsConstant"/>
    public bool IsConstant { get; set; }

    /// <summary>Rows of the codes.</summary>
    public long Rows => Codes.Rows;

    /// <summary>Columns of the codes.</summary>
    public long Columns => Codes.Columns;

    /// <summary>The device that holds the matrix.</summary>
    public ComputeDevice Device => Codes.Device;

    /// <summary>The matrix as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The matrix is disposed.</exception>
    public QuantizedView<TCode> View => new(Codes.View, Scales.View, Scheme, scaleRowOffset, scaleColumnOffset) { IsConstant = IsConstant };

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        Codes.Dispose();
        Scales.Dispose();
    }
}
