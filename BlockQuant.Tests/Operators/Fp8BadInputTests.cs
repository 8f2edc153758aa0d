using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>What the FP8 operators refuse, before anything is launched, and the degenerate shapes they accept.</summary>
public sealed class Fp8BadInputTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    [Test]
    public void Null_operands_are_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        Refuses<ArgumentNullException>(() => new Fp8Operators(null!), "device");
        Refuses<ArgumentNullException>(() => Device.Fp8.Multiply<float>(null!, a), "activations");
        Refuses<ArgumentNullException>(() => Device.Fp8.Multiply<float>(a, null!), "weights");
        Refuses<ArgumentNullException>(() => Device.Fp8.Quantize<float>(null!, QuantizationScheme.Fp8TokenGroup128), "source");
        Refuses<ArgumentNullException>(() => Device.Fp8.Multiply(default, a.View, default(MatrixView<float>)), "activations");
    }

    [Test]
    public void Disposed_operands_are_refused()
    {
        QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        QuantizedView<Float8E4M3> stale = a.View;
        using QuantizedDeviceMatrix<Float8E4M3> b = New(8, 256, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(Device, 4, 8);
        a.Dispose();
        FluentActions.Invoking(() => a.View).Should().Throw<ObjectDisposedException>();
        FluentActions.Invoking(() => Device.Fp8.Multiply(stale, b.View, c.View)).Should().Throw<ObjectDisposedException>();
    }

    [Test]
    public void A_disposed_device_is_refused()
    {
        ComputeDevice device = ComputeDevice.Create(DeviceKind.Cpu);
        var x = new DeviceMatrix<float>(device, 2, 128);
        x.Dispose();
        device.Dispose();
        FluentActions.Invoking(() => new DeviceMatrix<float>(device, 2, 128)).Should().Throw<ObjectDisposedException>();
    }

    [Test]
    public void A_wrong_length_is_refused()
    {
        using DeviceBuffer<float> buffer = Device.Allocate<float>(10);
        Refuses<ArgumentException>(() => new MatrixView<float>(buffer.View, 3, 4), "data: length 10; expected 3 x 4");
        Refuses<ArgumentException>(() => buffer.CopyFrom(new float[9]), "source: length 9; expected 10");
        Refuses<ArgumentException>(() => buffer.CopyTo(new float[11]), "destination: length 11; expected 10");
        Refuses<ArgumentException>(() => Device.Upload<float>(new float[5], 2, 3), "source: length 5; expected 2 x 3");
    }

    [Test]
    public void Different_depths_are_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = New(8, 128, QuantizationScheme.Fp8Block128);
        Refuses<ArgumentException>(() => Device.Fp8.Multiply<float>(a, b), "weights: shape [8, 128]; expected [N, 256]");
    }

    [Test]
    public void Scales_of_another_shape_are_refused()
    {
        using var codes = new DeviceMatrix<Float8E4M3>(Device, 4, 256);
        using var scales = new DeviceMatrix<float>(Device, 4, 3);
        Refuses<ArgumentException>(
            () => new QuantizedView<Float8E4M3>(codes.View, scales.View, QuantizationScheme.Fp8TokenGroup128), "scales: shape [4, 3]; expected [4, 2]");
        Refuses<ArgumentException>(
            () => new QuantizedView<Float8E4M3>(codes.View, scales.View, QuantizationScheme.Fp8TokenGroup128, 0, 128), "scale offset: [0, 128]");
    }

    [Test]
    public void An_output_of_another_shape_is_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = New(8, 256, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(Device, 8, 4);
        Refuses<ArgumentException>(() => Device.Fp8.Multiply(a.View, b.View, c.View), "output: shape [8, 4]; expected [4, 8]");
    }

    [Test]
    public void Another_format_or_element_type_is_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        using var x = new DeviceMatrix<int>(Device, 4, 256);
        Refuses<ArgumentException>(() => Device.Fp8.Quantize(x.View, a.View), "source: element type Int32; expected BFloat16, Half or Single");
        var int8 = new QuantizationScheme(ElementFormat.Int8, ScaleGranularity.TokenGroup, new BlockShape(1, 128));
        using QuantizedDeviceMatrix<Float8E4M3> wrong = New(4, 256, int8);
        Refuses<ArgumentException>(() => Device.Fp8.Dequantize<float>(wrong), "source: format Int8; expected Float8E4M3");
    }

    [Test]
    public void An_overlapping_output_is_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> b = New(8, 128, QuantizationScheme.Fp8Block128);
        using DeviceBuffer<float> memory = Device.Upload<float>(new float[256]);
        using DeviceMatrix<float> scales = Device.Upload<float>(new float[4], 4, 1);
        b.Codes.CopyFrom(new Float8E4M3[8 * 128]);
        b.Scales.CopyFrom(new float[1]);
        var a = new QuantizedView<Float8E4M3>(
            new MatrixView<Float8E4M3>(memory.View.Cast<Float8E4M3>().SubView(0, 512), 4, 128), scales.View, QuantizationScheme.Fp8TokenGroup128);
        var last = new MatrixView<float>(memory.View.SubView(127, 32), 4, 8);
        var behind = new MatrixView<float>(memory.View.SubView(128, 32), 4, 8);
        Refuses<ArgumentException>(() => Device.Fp8.Multiply(a, b.View, last), "output: overlaps activation codes");
        FluentActions.Invoking(() => Device.Fp8.Multiply(a, b.View, behind)).Should().NotThrow();
    }

    [Test]
    public void An_impossible_plan_is_refused()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(4, 256, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = New(8, 256, QuantizationScheme.Fp8Block128);
        Refuses<ArgumentException>(
            () => Device.Fp8.Multiply<float>(a, b, new TilePlanOverrides { TileM = 4096, TileN = 4096 }), "lanes in a group");
    }

    [TestCase(0, 8, 256)]
    [TestCase(4, 0, 256)]
    [TestCase(0, 0, 0)]
    public void Empty_matrices_give_an_empty_result(int m, int n, int k)
    {
        using DeviceMatrix<BFloat16> x = Device.Upload<BFloat16>(new BFloat16[m * k], m, k);
        using DeviceMatrix<BFloat16> w = Device.Upload<BFloat16>(new BFloat16[n * k], n, k);
        using QuantizedDeviceMatrix<Float8E4M3> a = Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = Device.Fp8.Quantize(w, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<float> c = Device.Fp8.Multiply<float>(a, b);
        c.ToArray().Should().BeEmpty();
        using DeviceMatrix<float> back = Device.Fp8.Dequantize<float>(a);
        back.Rows.Should().Be(m);
    }

    [TestCase(ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.Token)]
    [TestCase(ScaleGranularity.Channel)]
    public void Scales_of_a_matrix_without_columns_are_those_of_zeros(ScaleGranularity granularity)
    {
        using QuantizedDeviceMatrix<Float8E4M3> q = New(3, 0, new QuantizationScheme(ElementFormat.Float8E4M3, granularity));
        q.Scales.CopyFrom(Enumerable.Repeat(float.NaN, (int)q.Scales.Rows).ToArray());
        using var x = new DeviceMatrix<float>(Device, 3, 0);
        Device.Fp8.Quantize(x.View, q.View);
        q.Scales.ToArray().Should().HaveCount(granularity == ScaleGranularity.Tensor ? 1 : 3).And.OnlyContain(scale => scale == 1e-12f);
    }

    [Test]
    public void A_depth_of_zero_gives_zeros()
    {
        using QuantizedDeviceMatrix<Float8E4M3> a = New(3, 0, QuantizationScheme.Fp8TokenGroup128);
        using QuantizedDeviceMatrix<Float8E4M3> b = New(5, 0, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(Device, 3, 5);
        c.CopyFrom(Enumerable.Repeat(float.NaN, 15).ToArray());
        Device.Fp8.Multiply(a.View, b.View, c.View);
        c.ToArray().Should().OnlyContain(value => value == 0f);
    }

    private static QuantizedDeviceMatrix<Float8E4M3> New(long rows, long columns, QuantizationScheme scheme) => new(Device, rows, columns, scheme);

    private static void Refuses<TException>(Action action, string message)
        where TException : ArgumentException
        => action.Should().Throw<TException>().WithMessage($"*{message}*");
}
