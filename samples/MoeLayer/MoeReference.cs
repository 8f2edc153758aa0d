using BlockQuant.Reference;

namespace BlockQuant.Samples;

/// <summary>The same layer in float64; what the layer keeps in bf16 is rounded to bf16 here too.</summary>
internal static class MoeReference
{
    public static double[] Run(float[] x, int[] expertIds, float[] shares, QuantizedMatrix[] gateUp, QuantizedMatrix[] down, int topK)
    {
        int hidden = (int)gateUp[0].Columns;
        RoutedRows routing = ReferenceOperators.RouteExperts(expertIds, gateUp.Length, tileM: 16);
        int[] ends = routing.Indptr[1..];
        float[] rows = routing.RowSlots.SelectMany(slot => x.AsSpan(slot / topK * hidden, hidden).ToArray()).ToArray();
        float[] gateUpRows = Samples.RoundedToBFloat16(ReferenceOperators.MultiplyGrouped(rows, gateUp, ends));
        float[] activated = Samples.ToSingle(Samples.ToBFloat16(Activation.SiluMul(gateUpRows, (int)down[0].Columns)));
        double[] downRows = ReferenceOperators.MultiplyGrouped(activated, down, ends);
        return ReferenceOperators.CombineExperts(downRows, routing.SlotRows, shares, topK);
    }
}
