using System.Runtime.CompilerServices;

namespace BlockQuant;

/// <summary>
/// The Gauss error function in float32, written for GPU compilers as much as for the CPU: one definition that every accelerator shares, of
/// multiplications, additions and selects only.
/// </summary>
/// <remarks>
/// Minimax polynomials of this library's own fit: erf(x) / x in x² below 1, and log2(erfc(x)) in x from there to 4, where 1 − erfc(x) is 1 in float32.
/// </remarks>
internal static class ErrorFunction
{
    private const int MagnitudeMask = 0x7FFF_FFFF;
    private const int InfinityBits = 0x7F80_0000;
    private const int OneBits = 127 << 23;
    private const int FourBits = 129 << 23;

    /// <summary>erf(x) = 2 / √π · ∫₀ˣ exp(−t²) dt.</summary>
    /// <param name="value">Any float32.</param>
    /// <returns>The value to within 1e-7; ±1 for ±Inf, NaN for NaN. Odd to the last bit.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Erf(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        int magnitude = bits & MagnitudeMask;
        float x = BitConverter.Int32BitsToSingle(Math.Min(magnitude, FourBits));
        float erf = magnitude < OneBits ? Near(x) : 1f - Exp2(LogErfc(x));
        int signed = BitConverter.SingleToInt32Bits(erf) | (bits & ~MagnitudeMask);
        return BitConverter.Int32BitsToSingle(magnitude > InfinityBits ? bits : signed);
    }

    // At most 1.2e-9 from erf on [0, 1], before rounding.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Near(float x)
    {
        float square = x * x;
        float p = 7.8891232e-5f;
        p = p * square - 8.02084238e-4f;
        p = p * square + 5.18953546e-3f;
        p = p * square - 2.68544447e-2f;
        p = p * square + 1.12836002e-1f;
        p = p * square - 3.76126271e-1f;
        p = p * square + 1.28379167e-1f;

        // The whole part of the first coefficient comes last, so that only one rounding is as large as the result.
        return p * x + x;
    }

    // erfc to within 1.1e-9 on [1, 4], before rounding.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LogErfc(float x)
    {
        float p = 2.67726681e-4f;
        p = p * x - 4.24095667e-3f;
        p = p * x + 3.14584238e-2f;
        p = p * x - 1.48651499e-1f;
        p = p * x - 9.20765021e-1f;
        p = p * x - 1.62597507f;
        return p * x - 5.10309594e-4f;
    }

    // 2^y for −126 < y ≤ 0, to a relative 7.5e-8 before rounding.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Exp2(float y)
    {
        int exponent = (int)(y - 0.5f);
        float fraction = y - exponent;
        float p = 1.32764692e-3f;
        p = p * fraction + 9.67554136e-3f;
        p = p * fraction + 5.55071328e-2f;
        p = p * fraction + 2.40221197e-1f;
        p = p * fraction + 6.93146967e-1f;
        p = p * fraction + 1.00000007f;
        return p * BitConverter.Int32BitsToSingle((exponent + 127) << 23);
    }
}
