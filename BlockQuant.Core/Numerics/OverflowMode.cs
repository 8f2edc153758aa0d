namespace BlockQuant;

/// <summary>What a narrowing conversion to <see cref="Float8E4M3"/> does with values beyond ±448.</summary>
public enum OverflowMode
{
    /// <summary>Overflow and ±∞ become ±448; NaN stays NaN. What quantizers use.</summary>
    Saturate,

    /// <summary>Overflow and ±∞ become NaN, as e4m3fn has no infinity. What a plain PyTorch cast does.</summary>
    NaN,
}
