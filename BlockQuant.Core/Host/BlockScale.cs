namespace BlockQuant.Host;

/// <summary>The scale of a block from the bits of its largest magnitude, as the kernels and the reference compute it.</summary>
internal static class BlockScale
{
    private const float MinScale = 1e-12f;

    /// <summary>amax / largest code, at least 1e-12; NaN (0x7FC00000) for a block with NaN, +∞ for one with ±∞.</summary>
    public static float Of<TFormat>(int amax)
        where TFormat : struct, IHostFormat
    {
        float magnitude = BitConverter.Int32BitsToSingle(amax);
        return float.IsNaN(magnitude) ? BitConverter.Int32BitsToSingle(0x7FC0_0000) : Math.Max(magnitude * (1f / TFormat.MaxCode), MinScale);
    }
}
