namespace BlockQuant;

/// <summary>How INT8 quantization rounds value / scale.</summary>
public enum RoundingMode
{
    /// <summary>Toward zero, as the block-wise INT8 Triton kernels do.</summary>
    ReferenceCompatible,

    /// <summary>To the nearest integer, ties to even: about half the error.</summary>
    Nearest,
}
