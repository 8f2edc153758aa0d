using System.Text.Json.Nodes;

namespace BlockQuant.Tool.Conversion;

/// <summary>One file of the output.</summary>
/// <param name="Name">Its name, that of the input's file.</param>
/// <param name="Metadata">Its <c>__metadata__</c>.</param>
/// <param name="Tensors">What is written into it.</param>
internal sealed record ShardPlan(string Name, IReadOnlyDictionary<string, string> Metadata, IReadOnlyList<TensorConversion> Tensors)
{
    public long InputBytes => Tensors.Sum(tensor => tensor.Tensor.ByteLength);
}

/// <summary>Everything a job will write, decided before it writes anything.</summary>
/// <param name="Options">The command and its options, which an interrupted job must have in common with its resumption.</param>
/// <param name="Shards">The files; each keeps the name of the input's, so that an index stays short to explain.</param>
/// <param name="Config">The new <c>config.json</c>, or null for none.</param>
internal sealed record ConversionPlan(JsonObject Options, IReadOnlyList<ShardPlan> Shards, JsonObject? Config)
{
    public IEnumerable<TensorConversion> Tensors => Shards.SelectMany(shard => shard.Tensors);

    public long InputBytes => Shards.Sum(shard => shard.InputBytes);
}
