using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The quantized weights of several experts in device memory that their holder owns: codes [E, N, K] and their scales.</summary>
/// <typeparam name="TCode"><see cref="Float8E4M3"/> or <see cref="sbyte"/>.</typeparam>
public sealed class ExpertWeights<TCode> : IDisposable
    where TCode : unmanaged
{
    private readonly int scaleRowOffset;
    private readonly int scaleColumnOffset;

    /// <summary>Allocates uninitialised weights.</summary>
    /// <param name="device">Where.</param>
    /// <param name="experts">E, the experts.</param>
    /// <param name="rows">N, the rows of one expert.</param>
    /// <param name="columns">K, the columns of one expert.</param>
    /// <param name="scheme">What one scale covers.</param>
    /// <param name="scaleRowOffset">Rows of an expert's first scale block that lie before this shard.</param>
    /// <param name="scaleColumnOffset">Columns of an expert's first scale block that lie before this shard.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device has not enough memory.</exception>
    public ExpertWeights(
        ComputeDevice device, int experts, long rows, long columns, QuantizationScheme scheme, int scaleRowOffset = 0, int scaleColumnOffset = 0)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(scheme);
        ArgumentOutOfRangeException.ThrowIfNegative(experts);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(rows, columns, scaleRowOffset, scaleColumnOffset);
        Codes = device.Allocate<TCode>(Require.Elements("weights", experts, rows, columns));
        try
        {
            Scales = device.Allocate<float>(Require.Elements("scales", experts, scaleRows, scaleColumns));
        }
        catch
        {
            Codes.Dispose();
            throw;
        }

        Experts = experts;
        Rows = rows;
        Columns = columns;
        Scheme = scheme;
        this.scaleRowOffset = scaleRowOffset;
        this.scaleColumnOffset = scaleColumnOffset;
    }

    /// <summary>The codes [E, N, K].</summary>
    public DeviceBuffer<TCode> Codes { get; }

    /// <summary>The scales [E, scale rows, scale columns].</summary>
    public DeviceBuffer<float> Scales { get; }

    /// <summary>E, the experts.</summary>
    public int Experts { get; }

    /// <summary>N, the rows of one expert.</summary>
    public long Rows { get; }

    /// <summary>K, the columns of one expert.</summary>
    public long Columns { get; }

    /// <summary>What one scale covers.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>The device that holds the weights.</summary>
    public ComputeDevice Device => Codes.Device;

    /// <summary>The weights as an operand of the view tier.</summary>
    /// <exception cref="ObjectDisposedException">The weights are disposed.</exception>
    public ExpertWeightsView<TCode> View => new(Codes.View, Scales.View, Experts, Rows, Columns, Scheme, scaleRowOffset, scaleColumnOffset);

    /// <summary>Copies the weights of one expert from the host and waits for the copy, so that no more than one need be in the host's memory.</summary>
    /// <param name="expert">Which, from 0.</param>
    /// <param name="weight">Its codes [N, K] and scales, of the shape, the scheme and the place in a scale block that these weights have.</param>
    /// <param name="stream">The stream the copy is ordered on; null for the device's default stream.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such expert.</exception>
    /// <exception cref="ArgumentException">The shape, the scheme or the offsets inside a scale block are others, or the codes are of another type.</exception>
    public void CopyFrom(int expert, QuantizedMatrix weight, AcceleratorStream? stream = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentOutOfRangeException.ThrowIfNegative(expert);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(expert, Experts);
        Require.Format<TCode>(weight.Scheme.Format, nameof(weight));
        if (weight.Rows != Rows || weight.Columns != Columns)
        {
            throw new ArgumentException($"weight: shape [{weight.Rows}, {weight.Columns}]; expected [{Rows}, {Columns}].", nameof(weight));
        }

        if (weight.Scheme != Scheme || weight.ScaleRowOffset != scaleRowOffset || weight.ScaleColumnOffset != scaleColumnOffset)
        {
            throw new ArgumentException(
                $"weight: {weight.Scheme} from [{weight.ScaleRowOffset}, {weight.ScaleColumnOffset}] of a block; expected {Scheme} from [{scaleRowOffset}, {scaleColumnOffset}].",
                nameof(weight));
        }

        Codes.CopyFrom(MemoryMarshal.Cast<byte, TCode>(weight.Codes.Span), expert * Rows * Columns, stream);
        Scales.CopyFrom(weight.Scales.Span, (long)expert * weight.Scales.Length, stream);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        Codes.Dispose();
        Scales.Dispose();
    }
}
