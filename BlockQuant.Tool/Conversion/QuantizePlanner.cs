using System.Text.Json.Nodes;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>Decides what <c>quantize</c> writes.</summary>
internal static class QuantizePlanner
{
    private const string WeightName = "weight";
    private const string WeightSuffix = "." + WeightName;

    /// <exception cref="InputException">The checkpoint is quantized already, nothing in it can be quantized, or a block is too large.</exception>
    public static ConversionPlan Plan(Checkpoint source, QuantizationScheme scheme, RoundingMode rounding, SkipRules skip)
    {
        var config = ModelConfig.Read(source);
        if (config?.Method is { } method)
        {
            throw new InputException($"{source.Path} is quantized already ({Checkpoint.ConfigName} names the method '{method}'); dequantize it first.");
        }

        ShardPlan[] shards =
        [
            .. source.Shards.Select(shard => new ShardPlan(
                shard.Name, shard.Metadata, [.. shard.Tensors.Select(tensor => PlanTensor(source, tensor, scheme, rounding, skip))])),
        ];
        TensorConversion[] tensors = [.. shards.SelectMany(shard => shard.Tensors)];
        if (!tensors.Any(tensor => tensor is QuantizeConversion))
        {
            throw new InputException($"{source.Path} has nothing to quantize: no BF16, F16 or F32 matrix named *{WeightSuffix} that no skip pattern matches.");
        }

        string[] unconverted =
        [
            .. tensors.Where(tensor => tensor is CopyConversion && IsWeight(tensor.Tensor) && tensor.Tensor.Name != WeightName)
                .Select(tensor => tensor.Tensor.Name[..^WeightSuffix.Length])
                .Order(StringComparer.Ordinal),
        ];
        var options = new JsonObject
        {
            ["command"] = "quantize",
            ["format"] = scheme.Format.ToString(),
            ["block"] = scheme.Block.ToString(),
            ["rounding"] = rounding.ToString(),
            ["skip"] = new JsonArray([.. skip.Patterns.Select(pattern => JsonValue.Create(pattern))]),
        };
        return new ConversionPlan(options, shards, ModelConfig.Quantized(config, scheme, unconverted));
    }

    private static TensorConversion PlanTensor(Checkpoint source, TensorInfo tensor, QuantizationScheme scheme, RoundingMode rounding, SkipRules skip)
    {
        if (!IsWeight(tensor) || skip.Matches(tensor.Name))
        {
            return new CopyConversion(tensor);
        }

        MatrixPiece.RequireBlock(tensor.Shape[0], tensor.Shape[1], scheme.Block.Rows, scheme.Block.Columns);
        return source.TryGet(tensor.Name + QuantizeConversion.ScaleSuffix, out TensorInfo? scale)
            ? throw new InputException($"{source.Path}: weight {tensor} is not quantized, yet there is {scale}.")
            : new QuantizeConversion(tensor, scheme, rounding);
    }

    private static bool IsWeight(TensorInfo tensor) =>
        (tensor.Name == WeightName || tensor.Name.EndsWith(WeightSuffix, StringComparison.Ordinal))
        && tensor.Shape is [> 0, > 0]
        && tensor.DType is (SafetensorsDType.BFloat16 or SafetensorsDType.Float16 or SafetensorsDType.Float32);
}
