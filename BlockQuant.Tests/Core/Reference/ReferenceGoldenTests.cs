using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Reference;

/// <summary>The oracle itself against the reference systems: what the kernels are measured with must be right.</summary>
[TestFixture, Category("Golden")]
public class ReferenceGoldenTests
{
    /// <summary>A bf16 or fp16 result lies this far from float64 by its own rounding.</summary>
    private const double HalfPrecisionError = 3e-3;

    /// <summary>Hopper's FP8 tensor core keeps fewer bits of a sum than float32, so even a float32 result lies 1.3e-4 from float64.</summary>
    private const double TensorCoreError = 5e-4;

    [Test]
    public void QuantizesActivationsAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("quant");
        string[] names = [.. GoldenFolder.Cases(golden, "case").SelectMany(prefix => new[] { $"{prefix}.bf16", $"{prefix}.fp16", $"{prefix}.fp32" })];
        foreach (string name in names.Where(name => golden.TryGet(name + ".x", out _)))
        {
            CheckQuantization(golden, name);
        }
    }

    [Test]
    public void QuantizesGroupsOfAnotherSizeAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("quant");
        foreach (string name in GoldenFolder.Cases(golden, "block"))
        {
            CheckQuantization(golden, name);
        }
    }

    [Test]
    public void MultipliesAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("dense");
        foreach (string name in GoldenFolder.Cases(golden, "case"))
        {
            QuantizedMatrix a = Matrix(golden, name + ".a", QuantizationScheme.Fp8TokenGroup128);
            QuantizedMatrix b = Matrix(golden, name + ".b", QuantizationScheme.Fp8Block128);
            CheckProduct(golden, name, ReferenceOperators.Multiply(a, b));
        }
    }

    [Test]
    public void MultipliesTensorScaledAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("dense");
        QuantizedMatrix a = Matrix(golden, "tensorwise.a", QuantizationScheme.Fp8Tensor);
        QuantizedMatrix b = Matrix(golden, "tensorwise.b", QuantizationScheme.Fp8Tensor);

        CheckProduct(golden, "tensorwise", ReferenceOperators.Multiply(a, b));
    }

    [Test]
    public void QuantizesAndMultipliesBatchedExpertsAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "batched"))
        {
            QuantizedMatrix[] experts = Experts(golden, name);
            int[] ids = golden.Read<int>(name + ".expert_ids");
            float[] x = golden.ReadSingle(name + ".x");
            float[] expected = golden.ReadSingle(name + ".c");

            Compare.RelativeError(expected, ReferenceOperators.MultiplyBatched(x, experts, ids)).Should().BeLessThan(HalfPrecisionError, name);

            // The same by sorting the rows: it must agree to the rounding of bf16.
            RoutedRows routed = ReferenceOperators.RouteExperts(ids, experts.Length, tileM: 16);
            int k = (int)experts[0].Columns;
            float[] sorted = [.. routed.RowSlots.SelectMany(slot => x.AsSpan(slot * k, k).ToArray())];
            double[] product = ReferenceOperators.MultiplyGroups(ReferenceOperators.QuantizeFp8(sorted, ids.Length, k, QuantizationScheme.Fp8TokenGroup128), experts, routed.Indptr);
            double[] combined = ReferenceOperators.CombineExperts(product, routed.SlotRows, [.. Enumerable.Repeat(1f, ids.Length)], topK: 1);
            Compare.RelativeError(expected, combined).Should().BeLessThan(HalfPrecisionError, name);
        }
    }

    [Test]
    public void QuantizesAndMultipliesGroupedExpertsAsFinegrainedFp8Does()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "grouped"))
        {
            QuantizedMatrix[] experts = Experts(golden, name);
            int[] offsets = golden.Read<int>(name + ".offsets");
            float[] x = golden.ReadSingle(name + ".x");
            float[] expected = golden.ReadSingle(name + ".c");
            QuantizedMatrix quantized = ReferenceOperators.QuantizeFp8(x, golden.Get(name + ".x").Shape[0], golden.Get(name + ".x").Shape[1], QuantizationScheme.Fp8TokenGroup128);

            Compare.RelativeError(expected, ReferenceOperators.MultiplyGrouped(x, experts, offsets)).Should().BeLessThan(HalfPrecisionError, name);
            Compare.RelativeError(expected, ReferenceOperators.MultiplyGroups(quantized, experts, [0, .. offsets])).Should().BeLessThan(HalfPrecisionError, name);
        }
    }

    [Test]
    public void MultipliesQuantizedGroupsExactly()
    {
        using SafetensorsFile golden = GoldenFolder.Open("moe");
        foreach (string name in GoldenFolder.Cases(golden, "grouped"))
        {
            QuantizedMatrix a = Matrix(golden, name + ".a", QuantizationScheme.Fp8TokenGroup128);
            double[] product = ReferenceOperators.MultiplyGroups(a, Experts(golden, name), golden.Read<int>(name + ".indptr"));

            Compare.RelativeError(Array.ConvertAll(product, value => (float)value), golden.Read<double>(name + ".c_f64")).Should().BeLessThan(1e-6, name);
        }
    }

    private static void CheckQuantization(SafetensorsFile golden, string name)
    {
        TensorInfo x = golden.Get(name + ".x");
        int group = (int)Math.Ceiling((double)x.Shape[1] / golden.Get(name + ".s").Shape[1]);
        QuantizationScheme scheme = new(ElementFormat.Float8E4M3, ScaleGranularity.TokenGroup, new BlockShape(1, group));

        QuantizedMatrix found = ReferenceOperators.QuantizeFp8(golden.ReadSingle(x.Name), x.Shape[0], x.Shape[1], scheme);

        Compare.Scales(found.Scales.ToArray(), golden.Read<float>(name + ".s"), name);
        Compare.Codes(RandomData.Codes(found), golden.Read<Float8E4M3>(name + ".y"), name);
    }

    private static void CheckProduct(SafetensorsFile golden, string name, double[] product)
    {
        foreach ((string output, double tolerance) in new[] { ("c_f32", TensorCoreError), ("c_bf16", HalfPrecisionError), ("c_fp16", HalfPrecisionError) })
        {
            if (golden.TryGet($"{name}.{output}", out _))
            {
                Compare.RelativeError(golden.ReadSingle($"{name}.{output}"), product).Should().BeLessThan(tolerance, $"{name}.{output}");
            }
        }
    }

    private static QuantizedMatrix Matrix(SafetensorsFile golden, string name, QuantizationScheme scheme) =>
        new(golden.Read<byte>(name), golden.Get(name).Shape[0], golden.Get(name).Shape[1], golden.Read<float>(name + "_scale"), scheme);

    private static QuantizedMatrix[] Experts(SafetensorsFile golden, string name)
    {
        long[] shape = golden.Get(name + ".b").Shape;
        long[] scaleShape = golden.Get(name + ".b_scale").Shape;
        int size = (int)(shape[1] * shape[2]);
        int scaleSize = (int)(scaleShape[1] * scaleShape[2]);
        byte[] codes = golden.Read<byte>(name + ".b");
        float[] scales = golden.Read<float>(name + ".b_scale");
        return [.. Enumerable.Range(0, (int)shape[0]).Select(expert => new QuantizedMatrix(
            codes.AsMemory(expert * size, size), shape[1], shape[2], scales.AsMemory(expert * scaleSize, scaleSize), QuantizationScheme.Fp8Block128))];
    }
}
