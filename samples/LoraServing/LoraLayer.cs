using BlockQuant.Reference;

namespace BlockQuant.Samples;

/// <summary>The base weight of a fused projection, and the A and B of each of its slices for all adapters.</summary>
internal sealed record LoraLayer(QuantizedMatrix Weight, AdapterWeights[] A, AdapterWeights[] B)
{
    public static LoraLayer Random(Random random, int[] widths, int hidden, int rank, int adapters)
    {
        int rows = widths.Sum();
        float[] weight = Samples.Normal(random, rows * hidden, 1 / Math.Sqrt(hidden));
        return new LoraLayer(
            ReferenceOperators.QuantizeFp8(weight, rows, hidden, QuantizationScheme.Fp8Block128),
            Array.ConvertAll(widths, _ => Adapter(random, adapters, rank, hidden)),
            Array.ConvertAll(widths, width => Adapter(random, adapters, width, rank)));
    }

    public static LoraDeviceSlice<BFloat16> Upload(ComputeDevice device, AdapterWeights weights)
    {
        var slice = new LoraDeviceSlice<BFloat16>(device, weights.Adapters, weights.Rows, weights.Columns);
        slice.Values.CopyFrom(Array.ConvertAll(weights.Values, value => BFloat16.FromSingle((float)value)));
        return slice;
    }

    private static AdapterWeights Adapter(Random random, int adapters, int rows, int columns)
    {
        float[] values = Samples.ToSingle(Samples.ToBFloat16(Samples.Normal(random, adapters * rows * columns, 1 / Math.Sqrt(columns))));
        return new AdapterWeights(Array.ConvertAll(values, value => (double)value), adapters, rows, columns);
    }
}
