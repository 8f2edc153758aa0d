using BlockQuant.Kernels.TensorCores.Dense;
using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The dense product on warp-level tensor cores: the launch. Which operands fit is <see cref="HopperMultiplication.Fits"/>.</summary>
internal static class DenseTensorCores
{
    public static unsafe void Launch<TCode, T>(
        ComputeDevice device,
        QuantizedView<TCode> activations,
        QuantizedView<TCode> weights,
        MatrixView<T> output,
        DenseTensorPlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
    {
        long address = output.Data.LoadEffectiveAddressAsPtr();
        var call = new DenseCall
        {
            Activations = activations.Codes.Data.LoadEffectiveAddressAsPtr(),
            ActivationScales = activations.Scales.Data.LoadEffectiveAddressAsPtr(),
            Weights = weights.Codes.Data.LoadEffectiveAddressAsPtr(),
            WeightScales = weights.Scales.Data.LoadEffectiveAddressAsPtr(),
            Output = address,
            M = (int)activations.Rows,
            N = (int)weights.Rows,
            K = (int)activations.Columns,
            OutputType = (int)Element<T>.Output(nameof(output)),
            Vector = ((address | (output.Columns * sizeof(T))) & 15) == 0 ? 1 : 0,
        };
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        void** arguments = stackalloc void*[] { &call };
        device.TensorCoreKernels.Launch(DenseKernels.Of(plan), DenseKernels.Grid(call, plan), arguments, handle);
    }
}
