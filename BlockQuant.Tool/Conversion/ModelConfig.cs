using System.Text.Json;
using System.Text.Json.Nodes;
using BlockQuant.Storage;

namespace BlockQuant.Tool.Conversion;

/// <summary>A checkpoint's <c>config.json</c>, and the <c>quantization_config</c> that loaders read in it.</summary>
internal sealed class ModelConfig
{
    private const string QuantizationKey = "quantization_config";
    private const string BlockKey = "weight_block_size";

    // Configs have kilobytes; what is larger is something else.
    private const long LongestConfig = 1 << 26;

    private readonly JsonObject content;

    private ModelConfig(JsonObject content) => this.content = content;

    /// <summary>What is under <c>quantization_config</c>, or null.</summary>
    private JsonObject? Quantization => content[QuantizationKey] as JsonObject;

    /// <summary>The name of the method the checkpoint is quantized by, or null if it is not.</summary>
    public string? Method => content[QuantizationKey] is null ? null : Text(Quantization?["quant_method"]) ?? "unnamed";

    /// <summary>The block of weights that the config names, or null.</summary>
    public BlockShape? Block =>
        Quantization?[BlockKey] is JsonArray { Count: 2 } block && Extent(block[0]) is { } rows && Extent(block[1]) is { } columns
            ? new BlockShape(rows, columns)
            : null;

    /// <summary>Reads the config of a checkpoint; null where it has none.</summary>
    /// <exception cref="InputException">It is not a JSON object.</exception>
    public static ModelConfig? Read(Checkpoint checkpoint)
    {
        string path = Path.Combine(checkpoint.Path, Checkpoint.ConfigName);
        if (!checkpoint.IsFolder || !File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length > LongestConfig)
        {
            throw new InputException($"{path} has more than {LongestConfig} bytes.");
        }

        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            if (JsonNode.Parse(File.ReadAllBytes(path), documentOptions: options) is not JsonObject content)
            {
                throw new InputException($"{path} is not a JSON object.");
            }

            ReadAllText(content);
            return new ModelConfig(content);
        }
        catch (JsonException error)
        {
            throw new InputException($"{path} is malformed: {error.Message}", error);
        }
        catch (InvalidOperationException error)
        {
            throw new InputException($"{path} holds a string that is not valid Unicode.", error);
        }
    }

    /// <summary>The config of the quantized checkpoint, in the form Hugging Face's loaders read.</summary>
    /// <param name="config">The config of the input, or null.</param>
    /// <param name="scheme">The scheme of the weights.</param>
    /// <param name="unconverted">Modules whose weights stay as they are though they are matrices.</param>
    public static JsonObject Quantized(ModelConfig? config, QuantizationScheme scheme, IReadOnlyList<string> unconverted)
    {
        JsonObject content = config is null ? [] : config.content.DeepClone().AsObject();
        var quantization = new JsonObject();
        bool isFloat8 = scheme.Format == ElementFormat.Float8E4M3;
        quantization["quant_method"] = isFloat8 ? "fp8" : "blockwise_int8";
        if (isFloat8)
        {
            quantization["fmt"] = "e4m3";
        }

        quantization[BlockKey] = new JsonArray(scheme.Block.Rows, scheme.Block.Columns);
        quantization["activation_scheme"] = "dynamic";
        if (unconverted.Count > 0)
        {
            // The one loader of blockwise_int8, SGLang's, knows the list by another name only.
            quantization[isFloat8 ? "modules_to_not_convert" : "ignored_layers"] = new JsonArray([.. unconverted.Select(module => JsonValue.Create(module))]);
        }

        content[QuantizationKey] = quantization;
        return content;
    }

    /// <summary>The config without its <c>quantization_config</c>; null where there is none.</summary>
    public static JsonObject? Dequantized(ModelConfig? config)
    {
        JsonObject? content = config?.content.DeepClone().AsObject();
        content?.Remove(QuantizationKey);
        return content;
    }

    /// <summary>Reads every name and string, because a node validates text only when it is asked for.</summary>
    private static void ReadAllText(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                foreach ((_, JsonNode? member) in members)
                {
                    ReadAllText(member);
                }

                break;
            case JsonArray elements:
                foreach (JsonNode? element in elements)
                {
                    ReadAllText(element);
                }

                break;
            default:
                Text(node);
                break;
        }
    }

    private static string? Text(JsonNode? node) => node?.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : null;

    private static int? Extent(JsonNode? node) => node is JsonValue value && value.TryGetValue(out int extent) && extent > 0 ? extent : null;
}
