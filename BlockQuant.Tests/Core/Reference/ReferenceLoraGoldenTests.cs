using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Reference;

[TestFixture, Category("Golden")]
public class ReferenceLoraGoldenTests
{
    private const double Scaling = 0.5;

    // Scales of activations, then of weights, as the kinds of the golden file name them.
    private static readonly Dictionary<string, (QuantizationScheme Activations, QuantizationScheme Weights)> Modes = new()
    {
        ["tensor"] = (QuantizationScheme.Fp8Tensor, QuantizationScheme.Fp8Tensor),
        ["channel"] = (QuantizationScheme.Fp8Token, QuantizationScheme.Fp8Channel),
        ["block"] = (QuantizationScheme.Fp8TokenGroup128, QuantizationScheme.Fp8Block128),
    };

    [TestCase("tensor")]
    [TestCase("channel")]
    [TestCase("block")]
    public void ShrinksAsVllmDoes(string mode)
    {
        using SafetensorsFile golden = GoldenFolder.Open("lora");
        foreach (string name in GoldenFolder.Cases(golden, "case"))
        {
            string shrink = $"{name}.shrink_{mode}";
            TensorInfo codes = golden.Get(shrink + ".x");
            var x = new QuantizedMatrix(
                golden.Read<byte>(codes.Name), codes.Shape[0], codes.Shape[1], golden.Read<float>(shrink + ".x_scale"), Modes[mode].Activations);

            double[] found = ReferenceOperators.LoraShrink(
                ReferenceOperators.Dequantize(x), Slices(golden, shrink, "a", Modes[mode].Weights), golden.Read<int>(name + ".mapping"), Scaling);

            Compare.RelativeError(golden.Read<float>(shrink + ".out"), found).Should().BeLessThan(1e-5, shrink);
        }
    }

    [TestCase("tensor")]
    [TestCase("channel")]
    public void ExpandsAsVllmDoes(string mode)
    {
        using SafetensorsFile golden = GoldenFolder.Open("lora");
        foreach (string name in GoldenFolder.Cases(golden, "case"))
        {
            string expand = $"{name}.expand_{mode}";
            int[] mapping = golden.Read<int>(name + ".mapping");
            TensorInfo codes = golden.Get(expand + ".y");
            int rank = (int)codes.Shape[2];
            AdapterWeights[] slices = Slices(golden, expand, "b", Modes[mode].Weights);
            double[] y = ShrunkRows(golden, expand, codes, Modes[mode].Activations);

            foreach (string kind in new[] { "set", "add" })
            {
                string output = $"{expand}_{kind}";
                float[] expected = golden.ReadSingle(output + ".out");
                int columns = (int)golden.Get(output + ".out").Shape[1];
                double[] found = kind == "add" ? Array.ConvertAll(golden.ReadSingle(output + ".base"), value => (double)value) : new double[expected.Length];

                ReferenceOperators.LoraExpand(y, slices, rank, mapping, found, columns, addInputs: kind == "add");

                Compare.RelativeError(expected, found).Should().BeLessThan(3e-3, output);
            }
        }
    }

    /// <summary>The rows [slices, tokens, rank]; all slices share the scale of a token.</summary>
    private static double[] ShrunkRows(SafetensorsFile golden, string expand, TensorInfo y, QuantizationScheme scheme)
    {
        byte[] codes = golden.Read<byte>(y.Name);
        int size = (int)(y.Shape[1] * y.Shape[2]);
        float[] scales = golden.Read<float>(expand + ".y_scale");
        return
        [
            .. Enumerable.Range(0, (int)y.Shape[0]).SelectMany(slice => ReferenceOperators.Dequantize(
                new QuantizedMatrix(codes.AsMemory(slice * size, size), y.Shape[1], y.Shape[2], scales, scheme))),
        ];
    }

    private static AdapterWeights[] Slices(SafetensorsFile golden, string prefix, string operand, QuantizationScheme scheme)
    {
        var slices = new List<AdapterWeights>();
        while (golden.TryGet($"{prefix}.{operand}{slices.Count}", out TensorInfo? tensor))
        {
            int adapters = (int)tensor.Shape[0];
            byte[] codes = golden.Read<byte>(tensor.Name);
            float[] scales = golden.Read<float>($"{prefix}.{operand}_scale{slices.Count}");
            int size = codes.Length / adapters;
            int scaleSize = scales.Length / adapters;
            slices.Add(AdapterWeights.FromQuantized(
            [
                .. Enumerable.Range(0, adapters).Select(adapter => new QuantizedMatrix(
                    codes.AsMemory(adapter * size, size), tensor.Shape[1], tensor.Shape[2], scales.AsMemory(adapter * scaleSize, scaleSize), scheme)),
            ]));
        }

        return [.. slices];
    }
}
