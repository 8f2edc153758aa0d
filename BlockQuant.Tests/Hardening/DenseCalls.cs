namespace BlockQuant.Tests.Hardening;

/// <summary>Calls of quantizers, dense products and GELU with random ragged operands.</summary>
internal static class DenseCalls
{
    private const int Rows = 12;
    private const int Columns = 24;
    private const int Depth = 48;

    public static IReadOnlyList<Action<CallScope>[]> Families { get; } =
    [
        [QuantizeFp8<float>, QuantizeFp8<BFloat16>, QuantizeFp8<Half>],
        [QuantizeWithScale<float>, QuantizeWithScale<BFloat16>, QuantizeWithScale<Half>],
        [DequantizeFp8<float>, DequantizeFp8<BFloat16>, DequantizeFp8<Half>],
        [MultiplyFp8<float>, MultiplyFp8<BFloat16>, MultiplyFp8<Half>],
        [MultiplyFullPrecision<float>, MultiplyFullPrecision<BFloat16>, MultiplyFullPrecision<Half>],
        [QuantizeInt8<float>, QuantizeInt8<BFloat16>, QuantizeInt8<Half>],
        [DequantizeInt8<float>, DequantizeInt8<BFloat16>, DequantizeInt8<Half>],
        [MultiplyInt8<float>, MultiplyInt8<BFloat16>, MultiplyInt8<Half>],
        [MultiplyQuantizeInt8],
        [GeluInt8],
    ];

    private static void QuantizeFp8<T>(CallScope s)
        where T : unmanaged
    {
        DeviceMatrix<T> x = s.Matrix<T>(s.Extent(Rows), s.Extent(Depth));
        QuantizedDeviceMatrix<Float8E4M3> output = s.EmptyCodes<Float8E4M3>(x.Rows, x.Columns, s.AnyScheme(ElementFormat.Float8E4M3));
        s.Device.Fp8.Quantize(x.View, output.View, s.Stream);
        s.Take(output);
    }

    private static void QuantizeWithScale<T>(CallScope s)
        where T : unmanaged
    {
        DeviceMatrix<T> x = s.Matrix<T>(s.Extent(Rows), s.Extent(Depth));
        QuantizedDeviceMatrix<Float8E4M3> output = s.Codes<Float8E4M3>((int)x.Rows, (int)x.Columns, QuantizationScheme.Fp8Tensor);
        s.Device.Fp8.QuantizeWithScale(x.View, output.View, s.Stream);
        s.Take(output);
    }

    private static void DequantizeFp8<T>(CallScope s)
        where T : unmanaged
    {
        QuantizedDeviceMatrix<Float8E4M3> x = s.Codes<Float8E4M3>(s.Extent(Rows), s.Extent(Depth), s.AnyScheme(ElementFormat.Float8E4M3));
        DeviceMatrix<T> output = s.Empty<T>(x.Rows, x.Columns);
        s.Device.Fp8.Dequantize(x.View, output.View, s.Stream);
        s.Take(output);
    }

    private static void MultiplyFp8<T>(CallScope s)
        where T : unmanaged
    {
        int depth = s.Extent(Depth);
        QuantizedDeviceMatrix<Float8E4M3> a = s.Codes<Float8E4M3>(s.Extent(Rows), depth, s.ActivationScheme(ElementFormat.Float8E4M3));
        QuantizedDeviceMatrix<Float8E4M3> b = s.Codes<Float8E4M3>(s.Extent(Columns), depth, s.WeightScheme(ElementFormat.Float8E4M3));
        DeviceMatrix<T> c = s.Empty<T>(a.Rows, b.Rows);
        s.Device.Fp8.Multiply(a.View, b.View, c.View, null, s.Stream);
        s.Take(c);
    }

    private static void MultiplyFullPrecision<T>(CallScope s)
        where T : unmanaged
    {
        DeviceMatrix<T> a = s.Matrix<T>(s.Extent(Rows), s.Extent(Depth));
        QuantizedDeviceMatrix<Float8E4M3> b = s.Codes<Float8E4M3>(s.Extent(Columns), (int)a.Columns, s.WeightScheme(ElementFormat.Float8E4M3));
        DeviceMatrix<T> c = s.Empty<T>(a.Rows, b.Rows);
        DeviceBuffer<int> workspace = s.Buffer(new int[Fp8Operators.MultiplyWorkspaceLength(a.Rows, a.Columns)]);
        s.Device.Fp8.Multiply(a.View, b.View, c.View, workspace.View, null, s.Stream);
        s.Take(c);
    }

    private static void QuantizeInt8<T>(CallScope s)
        where T : unmanaged
    {
        DeviceMatrix<T> x = s.Matrix<T>(s.Extent(Rows), s.Extent(Depth));
        QuantizedDeviceMatrix<sbyte> output = s.EmptyCodes<sbyte>(x.Rows, x.Columns, s.AnyScheme(ElementFormat.Int8));
        s.Device.Int8.Quantize(x.View, output.View, Rounding(s), s.Stream);
        s.Take(output);
    }

    private static void DequantizeInt8<T>(CallScope s)
        where T : unmanaged
    {
        QuantizedDeviceMatrix<sbyte> x = s.Codes<sbyte>(s.Extent(Rows), s.Extent(Depth), s.AnyScheme(ElementFormat.Int8));
        DeviceMatrix<T> output = s.Empty<T>(x.Rows, x.Columns);
        s.Device.Int8.Dequantize(x.View, output.View, s.Stream);
        s.Take(output);
    }

    private static void MultiplyInt8<T>(CallScope s)
        where T : unmanaged
    {
        (QuantizedDeviceMatrix<sbyte> a, QuantizedDeviceMatrix<sbyte> b) = Int8Operands(s);
        DeviceMatrix<T> c = s.Empty<T>(a.Rows, b.Rows);
        if (s.Random.Next(2) == 0)
        {
            s.Device.Int8.Multiply(a.View, b.View, c.View, null, s.Stream);
        }
        else
        {
            s.Device.Int8.MultiplyAdd(a.View, b.View, s.Buffer(s.Values<float>((int)b.Rows)).View, c.View, null, s.Stream);
        }

        s.Take(c);
    }

    private static void MultiplyQuantizeInt8(CallScope s)
    {
        (QuantizedDeviceMatrix<sbyte> a, QuantizedDeviceMatrix<sbyte> b) = Int8Operands(s);
        QuantizedDeviceMatrix<sbyte> c = s.EmptyCodes<sbyte>(a.Rows, b.Rows, s.Scheme(ElementFormat.Int8, ScaleGranularity.TokenGroup));
        if (s.Random.Next(2) == 0)
        {
            s.Device.Int8.MultiplyQuantize(a.View, b.View, c.View, Rounding(s), null, s.Stream);
        }
        else
        {
            s.Device.Int8.MultiplyAddQuantize(a.View, b.View, s.Buffer(s.Values<float>((int)b.Rows)).View, c.View, Rounding(s), null, s.Stream);
        }

        s.Take(c);
    }

    private static void GeluInt8(CallScope s)
    {
        QuantizedDeviceMatrix<sbyte> x = s.Codes<sbyte>(s.Extent(Rows), s.Extent(Depth), s.AnyScheme(ElementFormat.Int8));
        QuantizedDeviceMatrix<sbyte> output = s.EmptyCodes<sbyte>(x.Rows, x.Columns, s.Scheme(ElementFormat.Int8, ScaleGranularity.TokenGroup));
        s.Device.Int8.Gelu(x.View, output.View, Rounding(s), s.Stream);
        s.Take(output);
    }

    private static (QuantizedDeviceMatrix<sbyte> Activations, QuantizedDeviceMatrix<sbyte> Weights) Int8Operands(CallScope s)
    {
        int depth = s.Extent(Depth);
        return (
            s.Codes<sbyte>(s.Extent(Rows), depth, s.ActivationScheme(ElementFormat.Int8)),
            s.Codes<sbyte>(s.Extent(Columns), depth, s.WeightScheme(ElementFormat.Int8)));
    }

    private static RoundingMode Rounding(CallScope s) => s.Random.Next(2) == 0 ? RoundingMode.Nearest : RoundingMode.ReferenceCompatible;
}
