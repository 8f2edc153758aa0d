using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The dense product on a Hopper GPU's tensor cores: which operands fit, and the call.</summary>
internal static class HopperMultiplication
{
    /// <summary>Bytes that the copy engine demands addresses and rows to be multiples of.</summary>
    public const int RowAlignment = 16;

    public static bool Fits<TCode>(in QuantizedView<TCode> activations, in QuantizedView<TCode> weights)
        where TCode : unmanaged
        => typeof(TCode) == typeof(Float8E4M3) && FitsTiles(activations, weights);

    /// <summary>The scale blocks are those of the tiles, and the copy engine can read the operands.</summary>
    public static bool FitsTiles<TCode>(in QuantizedView<TCode> activations, in QuantizedView<TCode> weights)
        where TCode : unmanaged
        => activations.Scheme.Granularity == ScaleGranularity.TokenGroup
            && activations.Scheme.Block == QuantizationScheme.Fp8TokenGroup128.Block
            && weights.Scheme.Granularity == ScaleGranularity.Block
            && weights.Scheme.Block == QuantizationScheme.Fp8Block128.Block
            && (activations.ScaleColumnOffset | weights.ScaleRowOffset | weights.ScaleColumnOffset) == 0
            && activations.Columns % RowAlignment == 0
            && IsAligned(activations.Codes.Data)
            && IsAligned(weights.Codes.Data);

    public static void Launch<TCode, T>(
        ComputeDevice device,
        in QuantizedView<TCode> activations,
        in QuantizedView<TCode> weights,
        in MatrixView<T> output,
        HopperPlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        => Launch(device, Call(activations, weights, output, plan), stream);

    /// <summary>The kernel that quantizes can read the activations.</summary>
    public static bool FitsFused<T>(in MatrixView<T> activations)
        where T : unmanaged
        => typeof(T) == typeof(BFloat16) && IsAligned(activations.Data);

    /// <summary>A product that quantizes its activations.</summary>
    public static void LaunchFused<T, TOutput>(
        ComputeDevice device,
        in MatrixView<T> activations,
        in QuantizedView<Float8E4M3> weights,
        in MatrixView<TOutput> output,
        HopperPlan plan,
        AcceleratorStream? stream)
        where T : unmanaged
        where TOutput : unmanaged
        => Launch(device, FusedCall(activations, weights, output, plan), stream);

    /// <summary>The call of a product, by device address.</summary>
    public static MatmulCall Call<TCode, T>(
        in QuantizedView<TCode> activations, in QuantizedView<TCode> weights, in MatrixView<T> output, HopperPlan plan)
        where TCode : unmanaged
        where T : unmanaged
        => Call(activations.Codes, activations.Scales, weights, output, plan);

    /// <summary>The call of a product that quantizes its activations.</summary>
    public static MatmulCall FusedCall<T, TOutput>(
        in MatrixView<T> activations, in QuantizedView<Float8E4M3> weights, in MatrixView<TOutput> output, HopperPlan plan)
        where T : unmanaged
        where TOutput : unmanaged
        => Call(activations, default, weights, output, plan) with { QuantizesActivations = true };

    private static void Launch(ComputeDevice device, in MatmulCall call, AcceleratorStream? stream)
    {
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        device.HopperKernels.Matmul(call, handle);
    }

    private static MatmulCall Call<TActivation, TCode, T>(
        in MatrixView<TActivation> activations, in MatrixView<float> scales, in QuantizedView<TCode> weights, in MatrixView<T> output, HopperPlan plan)
        where TActivation : unmanaged
        where TCode : unmanaged
        where T : unmanaged
        => new()
        {
            Plan = plan,
            M = (int)activations.Rows,
            N = (int)weights.Rows,
            K = (int)activations.Columns,
            Activations = activations.Data.LoadEffectiveAddressAsPtr(),
            ActivationPitch = activations.Columns,
            ActivationScales = HopperExperts.Address(scales.Data),
            ScaleRowStride = scales.Columns,
            ScaleBlockStride = 1,
            Weights = weights.Codes.Data.LoadEffectiveAddressAsPtr(),
            WeightPitch = weights.Columns,
            WeightScales = weights.Scales.Data.LoadEffectiveAddressAsPtr(),
            Output = output.Data.LoadEffectiveAddressAsPtr(),
            OutputPitch = output.Columns,
            ConstantWeights = weights.IsConstant,
            OutputType = typeof(T) == typeof(sbyte) ? default : Element<T>.Output(nameof(output)),
        };

    public static bool IsAligned<T>(ArrayView<T> view)
        where T : unmanaged
        => view.Length == 0 || view.LoadEffectiveAddressAsPtr() % RowAlignment == 0;
}
