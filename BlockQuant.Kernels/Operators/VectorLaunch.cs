using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Launches vector kernels where <see cref="QuantizeScheduler"/> chooses them; says false where it leaves the work to the portable ones.</summary>
internal static class VectorLaunch
{
    public static bool TryQuantize<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, ArrayView<TBits> source, QuantizedView<TCode> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        QuantizeKernelKind kind = Choose(device, output, source);
        if (kind == QuantizeKernelKind.Portable)
        {
            return false;
        }

        VectorKernel kernel = kind == QuantizeKernelKind.TokenGroups
            ? VectorKernel.Of<TElement, TFormat>.QuantizeGroups
            : VectorKernel.Of<TElement, TFormat>.QuantizeBlocks;
        Launch(device, kernel, source, default, output.Codes.Data, output.Scales.Data, output.Columns, stream);
        return true;
    }

    public static bool TryDequantize<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, QuantizedView<TCode> source, ArrayView<TBits> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        QuantizeKernelKind kind = Choose(device, source, output);
        if (kind == QuantizeKernelKind.Portable)
        {
            return false;
        }

        VectorKernel kernel = kind == QuantizeKernelKind.TokenGroups
            ? VectorKernel.Of<TElement, TFormat>.DequantizeGroups
            : VectorKernel.Of<TElement, TFormat>.DequantizeBlocks;
        Launch(device, kernel, source.Codes.Data, source.Scales.Data, output, default, source.Columns, stream);
        return true;
    }

    public static bool TryGelu<TFormat>(ComputeDevice device, QuantizedView<sbyte> source, QuantizedView<sbyte> output, AcceleratorStream? stream)
        where TFormat : struct, ICodeFormat
    {
        if (Choose(device, source, output.Codes.Data) != QuantizeKernelKind.TokenGroups
            || Choose(device, output, source.Codes.Data) != QuantizeKernelKind.TokenGroups)
        {
            return false;
        }

        Launch(
            device, VectorKernel.Gelu<TFormat>.Groups, source.Codes.Data, source.Scales.Data, output.Codes.Data, output.Scales.Data, source.Columns, stream);
        return true;
    }

    private static QuantizeKernelKind Choose<TCode, TOther>(ComputeDevice device, QuantizedView<TCode> matrix, ArrayView<TOther> other)
        where TCode : unmanaged
        where TOther : unmanaged
    {
        // Only views of CUDA memory have a device address.
        bool aligned = device.Kind == DeviceKind.Cuda
            && (matrix.ScaleRowOffset | matrix.ScaleColumnOffset) == 0
            && ((matrix.Codes.Data.LoadEffectiveAddressAsPtr() | other.LoadEffectiveAddressAsPtr()) & (QuantizeScheduler.Alignment - 1)) == 0;
        return QuantizeScheduler.Choose(device.Traits, matrix.Rows, matrix.Columns, matrix.BlockRows, matrix.BlockColumns, aligned);
    }

    private static void Launch<TSource, TOutput>(
        ComputeDevice device,
        VectorKernel kernel,
        ArrayView<TSource> source,
        ArrayView<float> sourceScales,
        ArrayView<TOutput> output,
        ArrayView<float> outputScales,
        long columns,
        AcceleratorStream? stream)
        where TSource : unmanaged
        where TOutput : unmanaged
    {
        var operands = new VectorOperands
        {
            Source = source.LoadEffectiveAddressAsPtr(),
            SourceVectors = source.LengthInBytes / 16,
            SourceScales = sourceScales.Length == 0 ? 0 : sourceScales.LoadEffectiveAddressAsPtr(),
            SourceScaleCount = sourceScales.Length,
            Output = output.LoadEffectiveAddressAsPtr(),
            OutputVectors = output.LengthInBytes / 16,
            OutputScales = outputScales.Length == 0 ? 0 : outputScales.LoadEffectiveAddressAsPtr(),
            OutputScaleCount = outputScales.Length,
            Columns = columns,
            Length = source.Length,
        };
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        device.VectorKernels.Launch(kernel, operands, handle);
    }
}
