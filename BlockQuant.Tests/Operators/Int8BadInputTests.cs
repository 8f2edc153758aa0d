using BlockQuant.Tests.Hardening;

namespace BlockQuant.Tests.Operators;

/// <summary>What the INT8 operators refuse, before anything is launched, and the degenerate shapes they accept.</summary>
public sealed class Int8BadInputTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;
    private static readonly QuantizationScheme Rows = QuantizationScheme.Int8TokenGroup128;
    private static readonly QuantizationScheme Blocks = QuantizationScheme.Int8Block128;

    [Test]
    public void Null_operands_are_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        Refuses<ArgumentNullException>(() => new Int8Operators(null!), "device");
        Refuses<ArgumentNullException>(() => Device.Int8.Multiply(null!, a), "activations");
        Refuses<ArgumentNullException>(() => Device.Int8.MultiplyQuantize(a, null!, Rows), "weights");
        Refuses<ArgumentNullException>(() => Device.Int8.MultiplyQuantize(a, a, null!), "scheme");
        Refuses<ArgumentNullException>(() => Device.Int8.Quantize<float>(null!, Rows), "source");
        Refuses<ArgumentNullException>(() => Device.Int8.Gelu(null!, Rows), "source");
        Refuses<ArgumentNullException>(() => Device.Int8.Gelu(a.View, default), "output");
    }

    [Test]
    public void Different_depths_are_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(8, 128, Blocks);
        Refuses<ArgumentException>(() => Device.Int8.Multiply(a, b), "weights: shape [8, 128]; expected [N, 256]");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a, b, Rows), "weights: shape [8, 128]; expected [N, 256]");
    }

    [Test]
    public void Another_format_is_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        using QuantizedDeviceMatrix<sbyte> wrong = New(8, 256, QuantizationScheme.Fp8Block128);
        Refuses<ArgumentException>(() => Device.Int8.Multiply(a, wrong), "weights: format Float8E4M3; expected Int8");
        Refuses<ArgumentException>(() => Device.Int8.Gelu(a, QuantizationScheme.Fp8TokenGroup128), "output: format Float8E4M3; expected Int8");
    }

    [Test]
    public void A_bias_of_another_length_is_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(8, 256, Blocks);
        using DeviceBuffer<float> bias = Device.Allocate<float>(4);
        Refuses<ArgumentException>(() => Device.Int8.MultiplyAdd(a, b, bias), "bias: length 4; expected 8");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyAddQuantize(a, b, bias, Rows), "bias: length 4; expected 8");
    }

    [Test]
    public void Blocks_too_deep_to_sum_exactly_are_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 1025, QuantizationScheme.Int8TokenGroup128 with { Granularity = ScaleGranularity.Token });
        using QuantizedDeviceMatrix<sbyte> b = New(8, 1025, QuantizationScheme.Int8Block128 with { Granularity = ScaleGranularity.Channel });
        using QuantizedDeviceMatrix<sbyte> narrow = New(8, 1025, Blocks);
        a.Codes.CopyFrom(new sbyte[4 * 1025]);
        a.Scales.CopyFrom(new float[4]);
        narrow.Codes.CopyFrom(new sbyte[8 * 1025]);
        narrow.Scales.CopyFrom(new float[9]);
        Refuses<ArgumentException>(() => Device.Int8.Multiply(a, b), "weights: scale blocks 1025 wide along K, in activations too; expected at most 1024");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a, b, Rows), "expected at most 1024");
        FluentActions.Invoking(() => Device.Int8.Multiply(a, narrow).Dispose()).Should().NotThrow("one narrow operand is enough");
    }

    [Test]
    public void Output_scales_that_span_rows_or_too_many_columns_are_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(600, 256, Blocks);
        var token = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Token);
        var tensor = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.Tensor);
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a, b, Blocks), "output: one scale for 128 x 128 elements");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a, b, tensor), "expected scales per row and block");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a, b, token), "output: scale blocks 600 columns wide; expected 1 to 512");
        Refuses<ArgumentException>(() => Device.Int8.Gelu(a, Blocks), "output: one scale for 128 x 128 elements");
    }

    [Test]
    public void An_unknown_rounding_is_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 256, Rows);
        Refuses<ArgumentException>(() => Device.Int8.Gelu(a, Rows, (RoundingMode)7), "rounding: 7; expected ReferenceCompatible or Nearest");
    }

    [Test]
    public void An_overlapping_output_is_refused()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(4, 128, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(128, 128, Blocks);
        Refuses<ArgumentException>(() => Device.Int8.Gelu(a.View, a.View), "output codes: overlaps source codes");
        Refuses<ArgumentException>(() => Device.Int8.MultiplyQuantize(a.View, b.View, a.View), "output codes: overlaps activation codes");
        var shared = new QuantizedView<sbyte>(New(4, 128, Rows).Codes.View, a.Scales.View, Rows);
        Refuses<ArgumentException>(() => Device.Int8.Gelu(a.View, shared), "output scales: overlaps source scales");
    }

    [TestCase(0, 8, 256)]
    [TestCase(4, 0, 256)]
    [TestCase(0, 0, 0)]
    public void Empty_matrices_give_an_empty_result(int m, int n, int k)
    {
        using QuantizedDeviceMatrix<sbyte> a = New(m, k, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(n, k, Blocks);
        using QuantizedDeviceMatrix<sbyte> c = Device.Int8.MultiplyQuantize(a, b, Rows);
        using QuantizedDeviceMatrix<sbyte> y = Device.Int8.Gelu(c, Rows);
        y.Codes.ToArray().Should().BeEmpty();
    }

    [Test]
    public void Scales_of_rows_without_columns_are_those_of_zeros([Values] TestedDevice tested, [Values(ScaleGranularity.Token, ScaleGranularity.Channel)] ScaleGranularity granularity)
    {
        using ComputeDevice device = tested.Open();
        QuantizationScheme scheme = Rows with { Granularity = granularity };
        using var a = new QuantizedDeviceMatrix<sbyte>(device, 3, 128, Rows);
        using var b = new QuantizedDeviceMatrix<sbyte>(device, 0, 128, Blocks);
        using var output = new QuantizedDeviceMatrix<sbyte>(device, 3, 0, scheme);
        using var source = new QuantizedDeviceMatrix<sbyte>(device, 3, 0, Rows);
        using var values = new DeviceMatrix<float>(device, 3, 0);
        using DeviceBuffer<float> bias = device.Allocate<float>(0);

        float[] After(Action write)
        {
            output.Scales.CopyFrom([float.NaN, float.NaN, float.NaN]);
            write();
            return output.Scales.ToArray();
        }

        After(() => device.Int8.MultiplyQuantize(a.View, b.View, output.View)).Should().Equal(1e-8f, 1e-8f, 1e-8f);
        After(() => device.Int8.MultiplyAddQuantize(a.View, b.View, bias.View, output.View)).Should().Equal(1e-8f, 1e-8f, 1e-8f);
        After(() => device.Int8.Gelu(source.View, output.View, RoundingMode.Nearest)).Should().Equal(1e-8f, 1e-8f, 1e-8f);
        After(() => device.Int8.Quantize(values.View, output.View)).Should().Equal(1e-12f, 1e-12f, 1e-12f);
    }

    [Test]
    public void A_depth_of_zero_gives_the_bias()
    {
        using QuantizedDeviceMatrix<sbyte> a = New(3, 0, Rows);
        using QuantizedDeviceMatrix<sbyte> b = New(2, 0, Blocks);
        using DeviceBuffer<float> bias = Device.Upload<float>([1f, 127f]);
        using DeviceMatrix<float> c = Device.Int8.MultiplyAdd<float>(a, b, bias);
        using QuantizedDeviceMatrix<sbyte> q = Device.Int8.MultiplyAddQuantize(a, b, bias, Rows);
        c.ToArray().Should().Equal(1f, 127f, 1f, 127f, 1f, 127f);
        q.Codes.ToArray().Should().Equal(1, 127, 1, 127, 1, 127);
        q.Scales.ToArray().Should().OnlyContain(scale => scale == 1f);
    }

    private static QuantizedDeviceMatrix<sbyte> New(long rows, long columns, QuantizationScheme scheme) => new(Device, rows, columns, scheme);

    private static void Refuses<TException>(Action action, string message)
        where TException : ArgumentException
        => action.Should().Throw<TException>().WithMessage($"*{message}*");
}
