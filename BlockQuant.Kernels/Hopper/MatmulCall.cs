using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// One block-scaled FP8 matmul, C [M, N] = A [M, K] · B [N, K]ᵀ, by device address. Pitches and strides count elements.
/// </summary>
internal readonly record struct MatmulCall
{
    /// <summary>How the call runs.</summary>
    public required HopperPlan Plan { get; init; }

    /// <summary>Rows of A and C.</summary>
    public required int M { get; init; }

    /// <summary>Rows of B and columns of C.</summary>
    public required int N { get; init; }

    /// <summary>Columns of A and B.</summary>
    public required int K { get; init; }

    /// <summary>A row-major: FP8 e4m3, or bfloat16 where <see cref="QuantizesActivations"/>.</summary>
    public required IntPtr Activations { get; init; }

    /// <summary>From one row of A to the next.</summary>
    public required long ActivationPitch { get; init; }

    /// <summary>Scales of A, float32, one for each row and 128 columns; none where <see cref="QuantizesActivations"/>.</summary>
    public required IntPtr ActivationScales { get; init; }

    /// <summary>From a row's scale to the next row's: ⌈K/128⌉ where scales are row-major, 1 where column-major.</summary>
    public required long ScaleRowStride { get; init; }

    /// <summary>From a 128-column block's scale to the next block's: 1 where scales are row-major.</summary>
    public required long ScaleBlockStride { get; init; }

    /// <summary>B, FP8 e4m3 row-major.</summary>
    public required IntPtr Weights { get; init; }

    /// <summary>From one row of B to the next.</summary>
    public required long WeightPitch { get; init; }

    /// <summary>Scales of B, float32 [⌈N/128⌉, ⌈K/128⌉] row-major.</summary>
    public required IntPtr WeightScales { get; init; }

    /// <summary>C, row-major.</summary>
    public required IntPtr Output { get; init; }

    /// <summary>From one row of C to the next.</summary>
    public required long OutputPitch { get; init; }

    /// <summary>Element type of C.</summary>
    public required OutputType OutputType { get; init; }

    /// <summary>Bytes of an element of C.</summary>
    public int ElementBytes => OutputType == OutputType.Single ? sizeof(float) : sizeof(ushort);

    /// <summary>
    /// No kernel still running in the stream writes the weights, so that Decode may begin to load them before the kernels ahead have ended:
    /// <see cref="QuantizedView{TCode}.IsConstant"/>.
    /// </summary>
    public bool ConstantWeights { get; init; }

    /// <summary>The kernel quantizes A, in groups of 1×128.</summary>
    public bool QuantizesActivations { get; init; }
}
