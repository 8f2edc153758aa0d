using BlockQuant.Storage;

namespace BlockQuant.Tests.Operators;

/// <summary>The INT8 operators against the outputs of the block-wise INT8 Triton kernels.</summary>
[Category("Golden")]
public sealed class Int8GoldenTests
{
    /// <summary>Both sides accumulate the same exact sums; only the rounding of the float16 output and of the scaled additions differs.</summary>
    private const double HalfPrecisionError = 5e-4;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    private SafetensorsFile golden = null!;

    [OneTimeSetUp]
    public void Open() => golden = GoldenFolder.Open("int8");

    [OneTimeTearDown]
    public void Close() => golden.Dispose();

    [TestCase("act", "x", "y")]
    [TestCase("weight", "w", "q")]
    public void Quantization_agrees(string kind, string source, string codes)
    {
        QuantizationScheme scheme = kind == "act" ? QuantizationScheme.Int8TokenGroup128 : QuantizationScheme.Int8Block128;
        foreach (string name in GoldenFolder.Cases(golden, kind))
        {
            (long rows, long columns) = Shape($"{name}.{source}");
            using DeviceMatrix<BFloat16> x = Device.Upload<BFloat16>(golden.Read<BFloat16>($"{name}.{source}"), rows, columns);
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Quantize(x, scheme);
            Compare.Scales(found.Scales.ToArray(), golden.Read<float>(name + ".s"), name);
            // The reference's division is not rounded correctly, and what is a hair below 127 is 126 toward zero.
            Compare.CodesOfResults(found.Codes.ToArray(), golden.Read<sbyte>($"{name}.{codes}"), name);
        }
    }

    [TestCase("act", "y")]
    [TestCase("weight", "q")]
    public void Dequantization_agrees_to_the_last_bit(string kind, string codes)
    {
        foreach (string name in GoldenFolder.Cases(golden, kind))
        {
            using QuantizedDeviceMatrix<sbyte> source = Operand(name, codes);
            using DeviceMatrix<float> found = Device.Int8.Dequantize<float>(source);
            found.ToArray().Should().Equal(golden.Read<float>(name + ".deq_f32"), name);
        }
    }

    [Test]
    public void Product_agrees()
    {
        foreach (string name in GoldenFolder.Cases(golden, "gemm"))
        {
            string i = name["gemm".Length..];
            using QuantizedDeviceMatrix<sbyte> a = Operand("act" + i, "y");
            using QuantizedDeviceMatrix<sbyte> b = Operand("weight" + i, "q");
            using DeviceMatrix<Half> found = Device.Int8.Multiply(a, b);
            Compare.RelativeError(Compare.ToSingle(found.ToArray()), golden.ReadSingle(name + ".c")).Should().BeLessThan(HalfPrecisionError, name);
        }
    }

    [Test]
    public void Product_with_bias_agrees()
    {
        foreach (string name in GoldenFolder.Cases(golden, "addmm"))
        {
            string i = name["addmm".Length..];
            using QuantizedDeviceMatrix<sbyte> a = Operand("act" + i, "y");
            using QuantizedDeviceMatrix<sbyte> b = Operand("weight" + i, "q");
            using DeviceBuffer<float> bias = Device.Upload<float>(golden.ReadSingle(name + ".bias"));
            using DeviceMatrix<Half> found = Device.Int8.MultiplyAdd(a, b, bias);
            Compare.RelativeError(Compare.ToSingle(found.ToArray()), golden.ReadSingle(name + ".c")).Should().BeLessThan(HalfPrecisionError, name);
        }
    }

    [Test]
    public void Quantized_product_agrees()
    {
        foreach (string name in GoldenFolder.Cases(golden, "gemm_quant"))
        {
            string i = name["gemm_quant".Length..];
            using QuantizedDeviceMatrix<sbyte> a = Operand("act" + i, "y");
            using QuantizedDeviceMatrix<sbyte> b = Operand("weight" + i, "q");
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.MultiplyQuantize(a, b, RowScheme(name, "c"));
            CheckOutput(found, name, "c");
        }
    }

    [Test]
    public void Quantized_product_with_bias_agrees()
    {
        foreach (string name in GoldenFolder.Cases(golden, "addmm_quant"))
        {
            string i = name["addmm_quant".Length..];
            using QuantizedDeviceMatrix<sbyte> a = Operand("act" + i, "y");
            using QuantizedDeviceMatrix<sbyte> b = Operand("weight" + i, "q");
            using DeviceBuffer<float> bias = Device.Upload<float>(golden.ReadSingle($"addmm{i}.bias"));
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.MultiplyAddQuantize(a, b, bias, RowScheme(name, "c"));
            CheckOutput(found, name, "c");
        }
    }

    [Test]
    public void Gelu_agrees()
    {
        foreach (string name in GoldenFolder.Cases(golden, "gelu"))
        {
            using QuantizedDeviceMatrix<sbyte> source = Operand("gemm_quant" + name["gelu".Length..], "c");
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Gelu(source, RowScheme(name, "y"));
            CheckOutput(found, name, "y");
        }
    }

    private void CheckOutput(QuantizedDeviceMatrix<sbyte> found, string name, string codes)
    {
        // The order of the scaled additions differs, so scales agree to a few ulp and not to two.
        Compare.RelativeError(found.Scales.ToArray(), golden.Read<float>(name + ".s")).Should().BeLessThan(1e-6, name);
        Compare.CodesOfResults(found.Codes.ToArray(), golden.Read<sbyte>($"{name}.{codes}"), name);
    }

    private QuantizedDeviceMatrix<sbyte> Operand(string name, string codes)
    {
        (long rows, long columns) = Shape($"{name}.{codes}");
        QuantizationScheme scheme = name.StartsWith("weight", StringComparison.Ordinal) ? QuantizationScheme.Int8Block128 : RowScheme(name, codes);
        var matrix = new QuantizedDeviceMatrix<sbyte>(Device, rows, columns, scheme);
        matrix.Codes.CopyFrom(golden.Read<sbyte>($"{name}.{codes}"));
        matrix.Scales.CopyFrom(golden.Read<float>(name + ".s"));
        return matrix;
    }

    /// <summary>Scales per row and block; the width follows from the shapes.</summary>
    private QuantizationScheme RowScheme(string name, string codes)
    {
        int width = (int)(Shape($"{name}.{codes}").Columns / Shape(name + ".s").Columns);
        return QuantizationScheme.Int8TokenGroup128 with { Block = new BlockShape(1, width) };
    }

    private (long Rows, long Columns) Shape(string name)
    {
        TensorInfo tensor = golden.Get(name);
        return (tensor.Shape[0], tensor.Shape[1]);
    }
}
