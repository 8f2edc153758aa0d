using BlockQuant.Storage;

namespace BlockQuant.Tests.Operators;

/// <summary>The FP8 operators against the outputs of finegrained-fp8 (Triton).</summary>
[Category("Golden")]
public sealed class Fp8GoldenTests
{
    /// <summary>bf16 and fp16 outputs lie this far from a float64 reference by their own rounding; float32 outputs far nearer.</summary>
    private const double HalfPrecisionError = 3e-3;

    /// <summary>The reference accumulates in the tensor core, whose FP8 accumulator is narrower than float32: seen 1.3e-4.</summary>
    private const double TensorCoreError = 5e-4;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    [TestCase("bf16")]
    [TestCase("fp16")]
    [TestCase("fp32")]
    public void Activation_quantization_agrees(string dtype)
    {
        using SafetensorsFile golden = GoldenFolder.Open("quant");
        int found = 0;
        foreach (string name in GoldenFolder.Cases(golden, "case").Select(prefix => $"{prefix}.{dtype}").Where(name => golden.TryGet(name + ".x", out _)))
        {
            switch (dtype)
            {
                case "bf16":
                    CheckQuantization<BFloat16>(golden, name, QuantizationScheme.Fp8TokenGroup128);
                    break;
                case "fp16":
                    CheckQuantization<Half>(golden, name, QuantizationScheme.Fp8TokenGroup128);
                    break;
                default:
                    CheckQuantization<float>(golden, name, QuantizationScheme.Fp8TokenGroup128);
                    break;
            }

            found++;
        }

        found.Should().BePositive($"{golden.Path} should hold {dtype} cases");
    }

    [Test]
    public void Activation_quantization_agrees_for_blocks_of_64()
    {
        using SafetensorsFile golden = GoldenFolder.Open("quant");
        CheckQuantization<BFloat16>(golden, "block64", QuantizationScheme.Fp8TokenGroup128 with { Block = new BlockShape(1, 64) });
    }

    [Test]
    public void Block_scaled_product_agrees()
    {
        using SafetensorsFile golden = GoldenFolder.Open("dense");
        foreach (string name in GoldenFolder.Cases(golden, "case"))
        {
            using QuantizedDeviceMatrix<Float8E4M3> a = Operand(golden, name + ".a", QuantizationScheme.Fp8TokenGroup128);
            using QuantizedDeviceMatrix<Float8E4M3> b = Operand(golden, name + ".b", QuantizationScheme.Fp8Block128);
            CheckProduct(golden, name, a, b);
        }
    }

    [Test]
    public void Tensor_scaled_product_agrees()
    {
        using SafetensorsFile golden = GoldenFolder.Open("dense");
        using QuantizedDeviceMatrix<Float8E4M3> a = Operand(golden, "tensorwise.a", QuantizationScheme.Fp8Tensor);
        using QuantizedDeviceMatrix<Float8E4M3> b = Operand(golden, "tensorwise.b", QuantizationScheme.Fp8Tensor);
        CheckProduct(golden, "tensorwise", a, b);
    }

    private static void CheckQuantization<T>(SafetensorsFile golden, string name, QuantizationScheme scheme)
        where T : unmanaged
    {
        long[] shape = golden.Get(name + ".x").Shape;
        using DeviceMatrix<T> x = Device.Upload<T>(golden.Read<T>(name + ".x"), shape[0], shape[1]);
        using QuantizedDeviceMatrix<Float8E4M3> y = Device.Fp8.Quantize(x, scheme);
        Compare.Codes(y.Codes.ToArray(), golden.Read<Float8E4M3>(name + ".y"), name);
        Compare.Scales(y.Scales.ToArray(), golden.Read<float>(name + ".s"), name);
    }

    private static void CheckProduct(
        SafetensorsFile golden, string name, QuantizedDeviceMatrix<Float8E4M3> a, QuantizedDeviceMatrix<Float8E4M3> b)
    {
        int checkedOutputs = 0;
        if (golden.TryGet(name + ".c_f32", out _))
        {
            using DeviceMatrix<float> c = Device.Fp8.Multiply<float>(a, b);
            Compare.RelativeError(c.ToArray(), golden.Read<float>(name + ".c_f32")).Should().BeLessThan(TensorCoreError, name);
            checkedOutputs++;
        }

        if (golden.TryGet(name + ".c_bf16", out _))
        {
            using DeviceMatrix<BFloat16> c = Device.Fp8.Multiply<BFloat16>(a, b);
            Compare.RelativeError(Compare.ToSingle(c.ToArray()), Compare.ToSingle(golden.Read<BFloat16>(name + ".c_bf16")))
                .Should().BeLessThan(HalfPrecisionError, name);
            checkedOutputs++;
        }

        if (golden.TryGet(name + ".c_fp16", out _))
        {
            using DeviceMatrix<Half> c = Device.Fp8.Multiply<Half>(a, b);
            Compare.RelativeError(Compare.ToSingle(c.ToArray()), Compare.ToSingle(golden.Read<Half>(name + ".c_fp16")))
                .Should().BeLessThan(HalfPrecisionError, name);
            checkedOutputs++;
        }

        checkedOutputs.Should().BePositive($"{name} should have an output in {golden.Path}");
    }

    private static QuantizedDeviceMatrix<Float8E4M3> Operand(SafetensorsFile golden, string name, QuantizationScheme scheme)
    {
        long[] shape = golden.Get(name).Shape;
        var matrix = new QuantizedDeviceMatrix<Float8E4M3>(Device, shape[0], shape[1], scheme);
        matrix.Codes.CopyFrom(golden.Read<Float8E4M3>(name));
        matrix.Scales.CopyFrom(golden.Read<float>(name + "_scale"));
        return matrix;
    }
}
