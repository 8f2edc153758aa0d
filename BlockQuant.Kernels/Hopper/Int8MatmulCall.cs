namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// One block-scaled INT8 matmul with what may follow it in the same pass: C [M, N] = A [M, K] · B [N, K]ᵀ + bias [N], rounded to a
/// float type or quantized.
/// </summary>
internal readonly record struct Int8MatmulCall
{
    /// <summary>The product, its operands INT8 codes. Where the output is quantized, it holds the codes, a row behind the other.</summary>
    public required MatmulCall Product { get; init; }

    /// <summary>The bias, float32 [N]; zero for none.</summary>
    public IntPtr Bias { get; init; }

    /// <summary>The scales of a quantized output, float32 [M, ⌈N/128⌉] row-major; zero where the output is not quantized.</summary>
    public IntPtr OutputScales { get; init; }

    /// <summary>Whether a quantized output is rounded to nearest even, and not toward zero.</summary>
    public bool Nearest { get; init; }
}
