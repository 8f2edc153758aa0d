using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Quantize and dequantize for every eight-bit format: validate, plan, launch.</summary>
internal static class Quantization
{
    public static void Quantize<TCode, T, TFormat>(
        ComputeDevice device, MatrixView<T> source, QuantizedView<TCode> output, ElementFormat format, AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        Validate(device, source, output, format);
        Require.BlockStart(output, nameof(output));
        switch (Element<T>.Kind(nameof(source)))
        {
            case ElementKind.BFloat16:
                Launch<TCode, ushort, BFloat16Element, TFormat>(device, source.Data.Cast<ushort>(), output, stream);
                break;
            case ElementKind.Float16:
                Launch<TCode, ushort, Float16Element, TFormat>(device, source.Data.Cast<ushort>(), output, stream);
                break;
            default:
                Launch<TCode, float, Float32Element, TFormat>(device, source.Data.Cast<float>(), output, stream);
                break;
        }
    }

    public static void QuantizeWithScale<TCode, T, TFormat>(
        ComputeDevice device, MatrixView<T> source, QuantizedView<TCode> output, ElementFormat format, AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        Validate(device, source, output, format);
        if (output.Scheme.Granularity != ScaleGranularity.Tensor)
        {
            throw new ArgumentException($"output: scales per {output.Scheme.Granularity}; expected one scale for the tensor.", nameof(output));
        }

        switch (Element<T>.Kind(nameof(source)))
        {
            case ElementKind.BFloat16:
                LaunchWithScale<TCode, ushort, BFloat16Element, TFormat>(device, source.Data.Cast<ushort>(), output, stream);
                break;
            case ElementKind.Float16:
                LaunchWithScale<TCode, ushort, Float16Element, TFormat>(device, source.Data.Cast<ushort>(), output, stream);
                break;
            default:
                LaunchWithScale<TCode, float, Float32Element, TFormat>(device, source.Data.Cast<float>(), output, stream);
                break;
        }
    }

    public static void Dequantize<TCode, T, TFormat>(
        ComputeDevice device, QuantizedView<TCode> source, MatrixView<T> output, ElementFormat format, AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        Require.Quantized(device, source, format, nameof(source));
        Require.Shape(output, source.Rows, source.Columns, nameof(output));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), source.Codes.Data, "source codes");
        Require.Disjoint(output.Data, nameof(output), source.Scales.Data, "source scales");
        switch (Element<T>.Kind(nameof(output)))
        {
            case ElementKind.BFloat16:
                LaunchDequantize<TCode, ushort, BFloat16Element, TFormat>(device, source, output.Data.Cast<ushort>(), stream);
                break;
            case ElementKind.Float16:
                LaunchDequantize<TCode, ushort, Float16Element, TFormat>(device, source, output.Data.Cast<ushort>(), stream);
                break;
            default:
                LaunchDequantize<TCode, float, Float32Element, TFormat>(device, source, output.Data.Cast<float>(), stream);
                break;
        }
    }

    private static void Validate<TCode, T>(ComputeDevice device, MatrixView<T> source, QuantizedView<TCode> output, ElementFormat format)
        where TCode : unmanaged
        where T : unmanaged
    {
        Require.Quantized(device, output, format, nameof(output));
        Require.Shape(output.Codes, source.Rows, source.Columns, nameof(output));
        Require.Memory(device, source.Data, nameof(source));
        Require.Disjoint(output.Codes.Data, "output codes", source.Data, nameof(source));
        Require.Disjoint(output.Scales.Data, "output scales", source.Data, nameof(source));
        Require.Disjoint(output.Codes.Data, "output codes", output.Scales.Data, "output scales");
    }

    private static void Launch<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, ArrayView<TBits> source, QuantizedView<TCode> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        if (output.Codes.Data.Length == 0)
        {
            LaunchEmpty<TFormat>(device, output.Scales.Data, floor: 0, stream);
            return;
        }

        if (output.Scheme.Granularity == ScaleGranularity.Tensor)
        {
            LaunchTensor<TCode, TBits, TElement, TFormat>(device, source, output, stream);
            return;
        }

        if (VectorLaunch.TryQuantize<TCode, TBits, TElement, TFormat>(device, source, output, stream))
        {
            return;
        }

        LaunchShape shape = LaunchShapes.Blocks(
            device.Traits, output.Scales.Data.Length, output.BlockRows * output.BlockColumns, out int lanesPerBlock);
        var arguments = new BlockQuantizeArguments<TBits>
        {
            Source = source,
            Codes = output.Codes.Data.Cast<byte>(),
            Scales = output.Scales.Data,
            Rows = output.Rows,
            Columns = output.Columns,
            BlockRows = output.BlockRows,
            BlockColumns = output.BlockColumns,
            LanesPerBlock = lanesPerBlock,
        };
        device.Launch(QuantizeKernels<TBits, TElement, TFormat>.Block, shape, arguments, stream);
    }

    /// <summary>A matrix without elements has scales where one covers a whole row or matrix: those of an amax of 0.</summary>
    /// <param name="device">The device.</param>
    /// <param name="scales">All scales of the matrix.</param>
    /// <param name="floor">The least scale, where it is above the format's own.</param>
    /// <param name="stream">The stream, or null.</param>
    public static void LaunchEmpty<TFormat>(ComputeDevice device, ArrayView<float> scales, float floor, AcceleratorStream? stream)
        where TFormat : struct, ICodeFormat
    {
        if (scales.Length > 0)
        {
            var arguments = new TensorScaleArguments { Scale = scales.Cast<int>(), Floor = floor };
            device.Launch(TensorScaleKernels<TFormat>.Scale, new LaunchShape(1, 1), arguments with { Clear = 1 }, stream);
            device.Launch(TensorScaleKernels<TFormat>.Scale, new LaunchShape(1, 1), arguments, stream);
        }
    }

    private static void LaunchTensor<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, ArrayView<TBits> source, QuantizedView<TCode> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        ArrayView<int> amax = output.Scales.Data.Cast<int>();
        device.Launch(TensorScaleKernels<TFormat>.Scale, new LaunchShape(1, 1), new TensorScaleArguments { Scale = amax, Clear = 1 }, stream);
        device.Launch(
            QuantizeKernels<TBits, TElement, TFormat>.MaxMagnitude,
            LaunchShapes.Elementwise(device.Traits, source.Length),
            new MaxMagnitudeArguments<TBits> { Source = source, Amax = amax },
            stream);
        device.Launch(TensorScaleKernels<TFormat>.Scale, new LaunchShape(1, 1), new TensorScaleArguments { Scale = amax }, stream);
        LaunchWithScale<TCode, TBits, TElement, TFormat>(device, source, output, stream);
    }

    private static void LaunchWithScale<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, ArrayView<TBits> source, QuantizedView<TCode> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        if (source.Length == 0)
        {
            return;
        }

        var arguments = new ScaledQuantizeArguments<TBits>
        {
            Source = source,
            Codes = output.Codes.Data.Cast<byte>(),
            Scale = output.Scales.Data,
        };
        device.Launch(QuantizeKernels<TBits, TElement, TFormat>.Scaled, LaunchShapes.Elementwise(device.Traits, source.Length), arguments, stream);
    }

    private static void LaunchDequantize<TCode, TBits, TElement, TFormat>(
        ComputeDevice device, QuantizedView<TCode> source, ArrayView<TBits> output, AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        if (output.Length == 0 || VectorLaunch.TryDequantize<TCode, TBits, TElement, TFormat>(device, source, output, stream))
        {
            return;
        }

        var arguments = new BlockDequantizeArguments<TBits>
        {
            Codes = source.Codes.Data.Cast<byte>(),
            Scales = source.Scales.Data,
            Output = output,
            Rows = source.Rows,
            Columns = source.Columns,
            ScaleColumns = source.Scales.Columns,
            BlockRows = source.BlockRows,
            BlockColumns = source.BlockColumns,
            RowOffset = source.ScaleRowOffset,
            ColumnOffset = source.ScaleColumnOffset,
        };
        device.Launch(QuantizeKernels<TBits, TElement, TFormat>.Dequantize, LaunchShapes.Elementwise(device.Traits, output.Length), arguments, stream);
    }

    private static class QuantizeKernels<TBits, TElement, TFormat>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        private static readonly string Suffix = $"<{typeof(TElement).Name}, {typeof(TFormat).Name}>";

        public static readonly Kernel<BlockQuantizeArguments<TBits>> Block =
            new(nameof(BlockQuantizeKernel) + Suffix, BlockQuantizeKernel.Run<TBits, TElement, TFormat>);

        public static readonly Kernel<MaxMagnitudeArguments<TBits>> MaxMagnitude =
            new(nameof(MaxMagnitudeKernel) + Suffix, MaxMagnitudeKernel.Run<TBits, TElement>);

        public static readonly Kernel<ScaledQuantizeArguments<TBits>> Scaled =
            new(nameof(ScaledQuantizeKernel) + Suffix, ScaledQuantizeKernel.Run<TBits, TElement, TFormat>);

        public static readonly Kernel<BlockDequantizeArguments<TBits>> Dequantize =
            new(nameof(BlockDequantizeKernel) + Suffix, BlockDequantizeKernel.Run<TFormat, TBits, TElement>);
    }

    private static class TensorScaleKernels<TFormat>
        where TFormat : struct, ICodeFormat
    {
        public static readonly Kernel<TensorScaleArguments> Scale =
            new($"{nameof(TensorScaleKernel)}<{typeof(TFormat).Name}>", TensorScaleKernel.Run<TFormat>);
    }
}
