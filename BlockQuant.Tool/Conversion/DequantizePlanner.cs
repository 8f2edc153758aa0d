using System.Text.Json.Nodes;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>Decides what <c>dequantize</c> writes.</summary>
internal static class DequantizePlanner
{
    /// <exception cref="InputException">Nothing in the checkpoint is quantized, or a weight can't be read.</exception>
    public static ConversionPlan Plan(Checkpoint source, SafetensorsDType dtype)
    {
        var config = ModelConfig.Read(source);
        HashSet<string> scales = [.. source.Tensors.Select(tensor => source.TryGetScale(tensor, out TensorInfo? scale) ? scale.Name : null).OfType<string>()];
        if (scales.Count == 0)
        {
            throw new InputException($"{source.Path} has nothing to dequantize: no F8_E4M3 or I8 matrix with scales named *{QuantizeConversion.ScaleSuffix}.");
        }

        ShardPlan[] shards =
        [
            .. source.Shards
                .Select(shard => new ShardPlan(
                    shard.Name,
                    shard.Metadata,
                    [.. shard.Tensors.Where(tensor => !scales.Contains(tensor.Name)).Select(tensor => PlanTensor(source, tensor, dtype, config?.Block))]))
                .Where(shard => shard.Tensors.Count > 0),
        ];
        var options = new JsonObject { ["command"] = "dequantize", ["dtype"] = dtype.ToString() };
        return new ConversionPlan(options, shards, ModelConfig.Dequantized(config));
    }

    private static TensorConversion PlanTensor(Checkpoint source, TensorInfo tensor, SafetensorsDType dtype, BlockShape? block)
    {
        if (source.SchemeOf(tensor, block) is not { } scheme)
        {
            return new CopyConversion(tensor);
        }

        WeightReader.RequireReadable(source, tensor, scheme);
        return new DequantizeConversion(tensor, scheme, dtype);
    }
}
