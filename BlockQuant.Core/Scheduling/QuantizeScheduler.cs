namespace BlockQuant.Scheduling;

/// <summary>How a quantizer, a dequantizer or a quantized activation function goes over its matrix.</summary>
internal enum QuantizeKernelKind
{
    /// <summary>Element by element, for every block shape, width and device.</summary>
    Portable,

    /// <summary>Sixteen bytes a lane over whole token groups of 1×128, which lie one behind the other in memory.</summary>
    TokenGroups,

    /// <summary>Sixteen bytes a lane, a group of lanes for each whole block of 128×128, which it reads once.</summary>
    Blocks,
}

/// <summary>Chooses how to quantize and dequantize: by pure functions of the shape, the block and the device.</summary>
internal static class QuantizeScheduler
{
    /// <summary>The width that the vector kernels are written for, and the height of their blocks.</summary>
    public const int Block = 128;

    /// <summary>Bytes that an address must be a multiple of, for a lane to read them at once.</summary>
    public const int Alignment = 16;

    // Packed FP8 conversions begin here.
    private const int MinCapability = 89;

    /// <summary>The kernel for one matrix.</summary>
    /// <param name="traits">The device.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Columns of the matrix.</param>
    /// <param name="blockRows">Rows that share one scale.</param>
    /// <param name="blockColumns">Columns that share one scale.</param>
    /// <param name="aligned">True when source and output begin at multiples of <see cref="Alignment"/> bytes, and at the start of a scale block.</param>
    public static QuantizeKernelKind Choose(
        DeviceTraits traits, long rows, long columns, long blockRows, long blockColumns, bool aligned)
    {
        ArgumentNullException.ThrowIfNull(traits);
        if (traits.Kind != DeviceKind.Cuda || traits.ComputeCapability < MinCapability || !aligned
            || blockColumns != Block || columns % Block != 0 || rows == 0 || columns == 0)
        {
            return QuantizeKernelKind.Portable;
        }

        return blockRows == 1 ? QuantizeKernelKind.TokenGroups
            : blockRows == Block && rows % Block == 0 ? QuantizeKernelKind.Blocks
            : QuantizeKernelKind.Portable;
    }
}
