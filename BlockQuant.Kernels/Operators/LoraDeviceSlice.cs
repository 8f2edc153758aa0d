namespace BlockQuant;

/// <summary>The weights [adapters, rows, columns] of one LoRA slice in device memory that its holder owns.</summary>
/// <typeparam name="T">BFloat16, Half or Single for full precision, <see cref="Float8E4M3"/> for codes.</typeparam>
public sealed class LoraDeviceSlice<T> : IDisposable
    where T : unmanaged
{
    private readonly QuantizationScheme? scheme;

    /// <summary>Allocates uninitialised full-precision weights.</summary>
    /// <param name="device">Where.</param>
    /// <param name="adapters">Adapters.</param>
    /// <param name="rows">The rank of A, or N of B.</param>
    /// <param name="columns">K of A, or the rank of B.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public LoraDeviceSlice(ComputeDevice device, long adapters, long rows, long columns)
        : this(device, scheme: null, adapters, rows, columns)
    {
    }

    /// <summary>Allocates uninitialised quantized weights.</summary>
    /// <param name="device">Where.</param>
    /// <param name="scheme">What one scale covers in an adapter's matrix; null for full precision.</param>
    /// <param name="adapters">Adapters.</param>
    /// <param name="rows">The rank of A, or N of B.</param>
    /// <param name="columns">K of A, or the rank of B.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public LoraDeviceSlice(ComputeDevice device, QuantizationScheme? scheme, long adapters, long rows, long columns)
    {
        ArgumentNullException.ThrowIfNull(device);
        (long scaleRows, long scaleColumns) = scheme is null ? (0, 0) : scheme.ScaleShape(rows, columns, 0, 0);
        Values = device.Allocate<T>(Require.Elements("weights", adapters, rows, columns));
        try
        {
            Scales = device.Allocate<float>(Require.Elements("scales", adapters, scaleRows, scaleColumns));
        }
        catch
        {
            Values.Dispose();
            throw;
        }

        this.scheme = scheme;
        Adapters = adapters;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>The values or codes [adapters, rows, columns].</summary>
    public DeviceBuffer<T> Values { get; }

    /// <summary>The scales, adapter after adapter; empty for full precision.</summary>
    public DeviceBuffer<float> Scales { get; }

    /// <summary>Adapters.</summary>
    public long Adapters { get; }

    /// <summary>The rank of A, or N of B.</summary>
    public long Rows { get; }

    /// <summary>K of A, or the rank of B.</summary>
    public long Columns { get; }

    /// <summary>The weights as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The weights are disposed.</exception>
    public LoraSlice<T> View => scheme is null
        ? new(Values.View, Adapters, Rows, Columns)
        : new(Values.View, Scales.View, scheme, Adapters, Rows, Columns);

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        Values.Dispose();
        Scales.Dispose();
    }
}
