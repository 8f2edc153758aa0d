using System.CommandLine;
using BlockQuant.Storage;
using BlockQuant.Tool.Conversion;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Commands;

/// <summary><c>inspect</c>: what a checkpoint holds, from its headers alone.</summary>
internal static class InspectCommand
{
    public static Command Create(ToolConsole console)
    {
        Argument<string> path = Arguments.Path("PATH", "A safetensors file, or the folder of a checkpoint.");
        Option<bool> json = Arguments.Json();
        var command = new Command("inspect", "Lists the tensors of a checkpoint: types, shapes, sizes, and how weights are quantized.") { path, json };
        command.SetAction(parsed =>
        {
            using var checkpoint = Checkpoint.Open(parsed.GetValue(path)!);
            CheckpointSummary summary = Summarize(checkpoint);
            if (parsed.GetValue(json))
            {
                console.WriteJson(summary);
            }
            else
            {
                Write(console, summary);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static CheckpointSummary Summarize(Checkpoint checkpoint)
    {
        var config = ModelConfig.Read(checkpoint);
        TensorSummary[] tensors =
        [
            .. from shard in checkpoint.Shards
               from tensor in shard.Tensors
               select new TensorSummary(tensor.Name, tensor.DTypeName, tensor.Shape, tensor.ByteLength, shard.Name, Layout(checkpoint, tensor, config?.Block)),
        ];
        TypeSummary[] types =
        [
            .. tensors.GroupBy(tensor => tensor.Dtype)
                .Select(type => new TypeSummary(type.Key, type.Count(), type.Sum(tensor => tensor.Bytes)))
                .OrderByDescending(type => type.Bytes),
        ];
        ShardSummary[] shards = [.. checkpoint.Shards.Select(shard => new ShardSummary(shard.Name, shard.Length, shard.Tensors.Count))];
        return new CheckpointSummary(checkpoint.Path, config?.Method, shards, types, tensors);
    }

    private static LayoutSummary? Layout(Checkpoint checkpoint, TensorInfo tensor, BlockShape? block)
    {
        if (!checkpoint.TryGetScale(tensor, out TensorInfo? scale))
        {
            return null;
        }

        QuantizationScheme scheme = checkpoint.SchemeOf(tensor, block)!;
        string? blockText = scheme.Granularity == ScaleGranularity.Block ? scheme.Block.ToString() : null;
        return new LayoutSummary(scheme.Format.ToString(), scheme.Granularity.ToString(), blockText, scale.Name, scale.DTypeName, scale.Shape);
    }

    private static void Write(ToolConsole console, CheckpointSummary summary)
    {
        console.WriteTable(
            ["tensor", "dtype", "shape", "size", "quantized", "file"],
            summary.Tensors.Select(tensor => new[]
            {
                tensor.Name,
                tensor.Dtype,
                PlainText.Shape(tensor.Shape),
                PlainText.Bytes(tensor.Bytes),
                tensor.Layout?.ToString() ?? string.Empty,
                tensor.File,
            }));
        console.WriteTable(
            ["dtype", "tensors", "size"], summary.Types.Select(type => new[] { type.Dtype, type.Tensors.ToString(), PlainText.Bytes(type.Bytes) }));
        console.WriteLine(
            $"{summary.Path}: {summary.Tensors.Count} tensors, {PlainText.Bytes(summary.Files.Sum(file => file.Bytes))} in {summary.Files.Count} files; "
            + (summary.QuantMethod is { } method ? $"{Checkpoint.ConfigName} names the method '{method}'" : $"no quantization in a {Checkpoint.ConfigName}"));
    }

    private sealed record CheckpointSummary(
        string Path, string? QuantMethod, IReadOnlyList<ShardSummary> Files, IReadOnlyList<TypeSummary> Types, IReadOnlyList<TensorSummary> Tensors);

    private sealed record ShardSummary(string Name, long Bytes, int Tensors);

    private sealed record TypeSummary(string Dtype, int Tensors, long Bytes);

    private sealed record TensorSummary(string Name, string Dtype, long[] Shape, long Bytes, string File, LayoutSummary? Layout);

    private sealed record LayoutSummary(string Format, string Granularity, string? Block, string Scale, string ScaleDtype, long[] ScaleShape)
    {
        public override string ToString() => $"{Block ?? Granularity}, scales {ScaleDtype} {PlainText.Shape(ScaleShape)}";
    }
}
