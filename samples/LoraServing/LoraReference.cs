using BlockQuant.Reference;

namespace BlockQuant.Samples;

/// <summary>The same layer in float64; the base product is rounded to bf16 before the adapters add to it, as in the layer.</summary>
internal static class LoraReference
{
    public static double[] Run(LoraLayer layer, float[] x, int[] adapterOfToken, double scaling)
    {
        QuantizedMatrix quantized = ReferenceOperators.QuantizeFp8(x, adapterOfToken.Length, layer.Weight.Columns, QuantizationScheme.Fp8TokenGroup128);
        double[] output = Array.ConvertAll(Samples.RoundedToBFloat16(ReferenceOperators.Multiply(quantized, layer.Weight)), value => (double)value);
        double[] shrunk = ReferenceOperators.LoraShrink(Array.ConvertAll(x, value => (double)value), layer.A, adapterOfToken, scaling);
        ReferenceOperators.LoraExpand(shrunk, layer.B, layer.A[0].Rows, adapterOfToken, output, (int)layer.Weight.Rows, addInputs: true);
        return output;
    }
}
