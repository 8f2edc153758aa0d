namespace BlockQuant;

/// <summary>What an eight-bit code means.</summary>
public enum ElementFormat
{
    /// <summary>FP8 e4m3fn; scale = amax / 448.</summary>
    Float8E4M3,

    /// <summary>A signed integer from −127 to 127; scale = amax / 127.</summary>
    Int8,
}
