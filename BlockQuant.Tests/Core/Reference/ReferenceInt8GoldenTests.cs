using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture, Category("Golden")]
public class ReferenceInt8GoldenTests
{
    [Test]
    public void QuantizesActivationsAsTheTritonKernelsDo() => CheckQuantization("act", "x", "y", QuantizationScheme.Int8TokenGroup128);

    [Test]
    public void QuantizesWeightsAsTheTritonKernelsDo() => CheckQuantization("weight", "w", "q", QuantizationScheme.Int8Block128);

    [Test]
    public void MultipliesAsTheTritonKernelsDo()
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, "gemm"))
        {
            (QuantizedMatrix a, QuantizedMatrix b) = Operands(golden, name["gemm".Length..]);

            Compare.RelativeError(golden.ReadSingle(name + ".c"), ReferenceOperators.Multiply(a, b)).Should().BeLessThan(1e-3, name);
        }
    }

    [Test]
    public void AddsTheBiasAsTheTritonKernelsDo()
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, "addmm"))
        {
            (QuantizedMatrix a, QuantizedMatrix b) = Operands(golden, name["addmm".Length..]);
            double[] product = ReferenceOperators.Multiply(a, b, golden.Read<float>(name + ".bias"));

            Compare.RelativeError(golden.ReadSingle(name + ".c"), product).Should().BeLessThan(1e-3, name);
        }
    }

    [Test]
    public void QuantizesProductsAsTheTritonKernelsDo()
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, "gemm_quant"))
        {
            (QuantizedMatrix a, QuantizedMatrix b) = Operands(golden, name["gemm_quant".Length..]);

            CheckCodes(golden, name, "c", ReferenceOperators.MultiplyQuantizeInt8(a, b, QuantizationScheme.Int8TokenGroup128));
        }
    }

    [Test]
    public void QuantizesSumsAsTheTritonKernelsDo()
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, "addmm_quant"))
        {
            string index = name["addmm_quant".Length..];
            (QuantizedMatrix a, QuantizedMatrix b) = Operands(golden, index);
            float[] bias = golden.Read<float>($"addmm{index}.bias");

            CheckCodes(golden, name, "c", ReferenceOperators.MultiplyQuantizeInt8(a, b, QuantizationScheme.Int8TokenGroup128, bias: bias));
        }
    }

    [Test]
    public void AppliesGeluAsTheTritonKernelsDo()
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, "gelu"))
        {
            QuantizedMatrix x = Matrix(golden, "gemm_quant" + name["gelu".Length..], "c", QuantizationScheme.Int8TokenGroup128);

            CheckCodes(golden, name, "y", ReferenceOperators.GeluInt8(x, QuantizationScheme.Int8TokenGroup128));
        }
    }

    private static void CheckQuantization(string kind, string source, string codes, QuantizationScheme scheme)
    {
        using SafetensorsFile golden = GoldenFolder.Open("int8");
        foreach (string name in GoldenFolder.Cases(golden, kind))
        {
            TensorInfo x = golden.Get($"{name}.{source}");
            QuantizedMatrix expected = Matrix(golden, name, codes, scheme);

            CheckCodes(golden, name, codes, ReferenceOperators.QuantizeInt8(golden.ReadSingle(x.Name), x.Shape[0], x.Shape[1], scheme));
            Compare.RelativeError(golden.Read<float>(name + ".deq_f32"), ReferenceOperators.Dequantize(expected)).Should().BeLessThan(1e-7, name);
        }
    }

    /// <summary>Scales that were divided approximately move a truncated code by one where x / scale is nearly an integer: in 0.5 % of codes at most.</summary>
    private static void CheckCodes(SafetensorsFile golden, string name, string codes, QuantizedMatrix found)
    {
        float[] scales = golden.Read<float>(name + ".s");
        for (int i = 0; i < scales.Length; i++)
        {
            found.Scales.Span[i].Should().BeApproximately(scales[i], scales[i] * 2e-6f, $"{name}: scale {i}");
        }

        sbyte[] expected = golden.Read<sbyte>($"{name}.{codes}");
        int[] apart = [.. expected.Select((code, i) => Math.Abs(code - (sbyte)found.Codes.Span[i]))];
        apart.Max().Should().BeLessThanOrEqualTo(1, name);
        apart.Sum().Should().BeLessThanOrEqualTo(expected.Length / 200, $"{name}: codes one step apart");
    }

    private static (QuantizedMatrix A, QuantizedMatrix B) Operands(SafetensorsFile golden, string index) =>
        (Matrix(golden, "act" + index, "y", QuantizationScheme.Int8TokenGroup128), Matrix(golden, "weight" + index, "q", QuantizationScheme.Int8Block128));

    private static QuantizedMatrix Matrix(SafetensorsFile golden, string name, string codes, QuantizationScheme scheme)
    {
        TensorInfo tensor = golden.Get($"{name}.{codes}");
        return new(golden.Read<byte>(tensor.Name), tensor.Shape[0], tensor.Shape[1], golden.Read<float>(name + ".s"), scheme);
    }
}
