using BlockQuant.Emulator;

namespace BlockQuant.Tests.Emulator;

/// <summary>
/// Matrices of more than 2³¹ elements. Their memory is only reserved, and only the last groups of a grid run: those have the largest indices.
/// </summary>
public sealed class LargeMatrixTests
{
    private const long Rows = (1L << 24) + 5;
    private const int Columns = 144;

    [Test]
    public void Quantization_reaches_the_last_block()
    {
        using ComputeDevice device = EndOfGrid();
        using var x = new DeviceMatrix<float>(device, Rows, Columns);
        using var q = new QuantizedDeviceMatrix<Float8E4M3>(device, Rows, Columns, QuantizationScheme.Fp8TokenGroup128);
        WriteLast(x.View.Data, [448f, -896f]);
        device.Fp8.Quantize(x.View, q.View);
        ReadLast(q.Scales.View.Data, 2).Should().Equal(1e-12f, 2f);
        ReadLast(q.Codes.View.Data, 2).Select(code => code.ToSingle()).Should().Equal(224f, -448f);
    }

    [Test]
    public void Dequantization_reaches_the_last_element()
    {
        using ComputeDevice device = EndOfGrid();
        using var q = new QuantizedDeviceMatrix<Float8E4M3>(device, Rows, Columns, QuantizationScheme.Fp8TokenGroup128);
        using var x = new DeviceMatrix<Half>(device, Rows, Columns);
        WriteLast(q.Codes.View.Data, [Float8E4M3.FromSingle(3f)]);
        WriteLast(q.Scales.View.Data, [0.5f]);
        device.Fp8.Dequantize(q.View, x.View);
        ReadLast(x.View.Data, 1).Should().Equal((Half)1.5f);
    }

    [Test]
    public void A_product_reaches_the_last_row_of_both_operands_and_the_output()
    {
        const long M = (1L << 28) + 1;
        const int N = 9;
        const int K = 10;
        using ComputeDevice device = EndOfGrid();
        using var a = new QuantizedDeviceMatrix<Float8E4M3>(device, M, K, QuantizationScheme.Fp8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<Float8E4M3>(device, N, K, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(device, M, N);
        WriteLast(a.Codes.View.Data, [Float8E4M3.FromSingle(3f)]);
        WriteLast(a.Scales.View.Data, [2f]);
        WriteLast(b.Codes.View.Data, [Float8E4M3.FromSingle(5f)]);
        WriteLast(b.Scales.View.Data, [0.5f]);
        device.Fp8.Multiply(a.View, b.View, c.View);
        ReadLast(c.View.Data, 1).Should().Equal(15f);
    }

    [Test]
    public void Wide_weights_are_read_past_the_last_int()
    {
        const long N = (1L << 28) + 1;
        const int K = 10;
        using ComputeDevice device = EndOfGrid();
        using var a = new QuantizedDeviceMatrix<Float8E4M3>(device, 1, K, QuantizationScheme.Fp8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<Float8E4M3>(device, N, K, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(device, 1, N);
        WriteLast(a.Codes.View.Data, [Float8E4M3.FromSingle(3f)]);
        WriteLast(a.Scales.View.Data, [2f]);
        WriteLast(b.Codes.View.Data, [Float8E4M3.FromSingle(5f)]);
        WriteLast(b.Scales.View.Data, [0.5f]);
        device.Fp8.Multiply(a.View, b.View, c.View);
        ReadLast(c.View.Data, 1).Should().Equal(15f);
    }

    [Test]
    public void A_buffer_is_filled_and_read_past_the_last_int()
    {
        const long Offset = (1L << 31) + 7;
        using ComputeDevice device = EndOfGrid();
        using DeviceBuffer<short> buffer = device.Allocate<short>(Offset + 3);
        var found = new short[2];

        buffer.CopyFrom([5, 6, 7], Offset);
        buffer.CopyTo(found, Offset + 1);

        found.Should().Equal(6, 7);
        ReadLast(buffer.View, 3).Should().Equal(5, 6, 7);
    }

    // Many processors, so that a strided kernel gets as many groups as it has work for.
    private static ComputeDevice EndOfGrid() => ComputeDevice.FromAccelerator(
        new EmulatorAccelerator(new EmulatorOptions { MaxThreads = 1 << 22, OnlyLastClusters = 2 }));

    private static void WriteLast<T>(ILGPU.ArrayView<T> view, T[] values)
        where T : unmanaged
        => new EmulatorAccelerator().CopyFromHost(values, view.SubView(view.Length - values.Length, values.Length));

    private static T[] ReadLast<T>(ILGPU.ArrayView<T> view, int count)
        where T : unmanaged
    {
        var values = new T[count];
        new EmulatorAccelerator().CopyToHost(view.SubView(view.Length - count, count), values);
        return values;
    }
}
