using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>The scale of a block from the bits of its largest magnitude, as the kernels and the reference compute it.</summary>
internal static class BlockScale
{
    /// <summary>The smallest scale that a quantizer writes.</summary>
    public const float Minimum = 1e-12f;

    /// <summary>amax × (1 / largest code), at least a minimum; NaN (0x7FC00000) for a block with NaN, +∞ for one with ±∞.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Of<TFormat>(int amax, float minimum = Minimum)
        where TFormat : struct, IHostFormat
    {
        float magnitude = BitConverter.Int32BitsToSingle(amax);
        return float.IsNaN(magnitude) ? BitConverter.Int32BitsToSingle(0x7FC0_0000) : Math.Max(magnitude * (1f / TFormat.MaxCode), minimum);
    }
}
