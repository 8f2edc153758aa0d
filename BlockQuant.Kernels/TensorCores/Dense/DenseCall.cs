using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.TensorCores.Dense;

/// <summary>One block-scaled FP8 product, C [M, N] = A [M, K] · B [N, K]ᵀ, by device address. Pitches count bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DenseCall
{
    /// <summary>A, FP8 e4m3 row-major; rows begin at multiples of 16 bytes.</summary>
    public long Activations;

    /// <summary>Scales of A, float32 [M, ⌈K/128⌉].</summary>
    public long ActivationScales;

    /// <summary>B, FP8 e4m3 row-major, as A.</summary>
    public long Weights;

    /// <summary>Scales of B, float32 [⌈N/128⌉, ⌈K/128⌉].</summary>
    public long WeightScales;

    /// <summary>C, row-major.</summary>
    public long Output;

    /// <summary>Rows of A and C.</summary>
    public int M;

    /// <summary>Rows of B and columns of C.</summary>
    public int N;

    /// <summary>Columns of A and B, a multiple of 16.</summary>
    public int K;

    /// <summary>An <see cref="Hopper.OutputType"/>.</summary>
    public int OutputType;

    /// <summary>Not 0 where rows of C begin at multiples of 16 bytes.</summary>
    public int Vector;

    private readonly int padding;
}
