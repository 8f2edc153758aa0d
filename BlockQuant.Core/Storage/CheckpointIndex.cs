using System.Text.Json;

namespace BlockQuant.Storage;

/// <summary>
/// The index of a sharded checkpoint, <c>model.safetensors.index.json</c>: which file holds which tensor. Its file names are
/// checked to be plain names, so that no path made of one leaves its folder.
/// </summary>
internal sealed class CheckpointIndex
{
    public const string FileSuffix = ".safetensors.index.json";
    public const string DefaultName = "model" + FileSuffix;

    private const string WeightMap = "weight_map";
    private const string ShardSuffix = ".safetensors";

    // As for a header: an index names what headers describe.
    private const long LongestIndex = SafetensorsHeader.LongestHeader;

    private CheckpointIndex(IReadOnlyDictionary<string, string> fileOfTensor) => FileOfTensor = fileOfTensor;

    /// <summary>The file of each tensor.</summary>
    public IReadOnlyDictionary<string, string> FileOfTensor { get; }

    /// <summary>Reads and checks an index.</summary>
    /// <exception cref="SafetensorsException">It is not of the format, or a file name is not a plain one.</exception>
    public static CheckpointIndex Read(string path)
    {
        try
        {
            long length = new FileInfo(path).Length;
            if (length > LongestIndex)
            {
                throw new SafetensorsException($"the index has {length} bytes; expected {LongestIndex} at most.");
            }

            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path), options);
            return new CheckpointIndex(ParseWeightMap(document.RootElement));
        }
        catch (JsonException error)
        {
            throw new SafetensorsException($"{path}: the index is malformed: {error.Message}", error);
        }
        catch (InvalidOperationException error)
        {
            // The reader validates the text of a string only when it is asked for.
            throw new SafetensorsException($"{path}: the index holds a string that is not valid Unicode.", error);
        }
        catch (SafetensorsException error)
        {
            throw new SafetensorsException($"{path}: {error.Message}", error);
        }
    }

    private static Dictionary<string, string> ParseWeightMap(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(WeightMap, out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw new SafetensorsException($"the index has no object '{WeightMap}'.");
        }

        var files = new Dictionary<string, string>();
        var spellings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonProperty property in map.EnumerateObject())
        {
            string file = property.Value.ValueKind == JsonValueKind.String
                ? property.Value.GetString()!
                : throw new SafetensorsException($"'{WeightMap}' gives tensor '{property.Name}' a JSON {property.Value.ValueKind}; expected a file name.");
            if (!IsPlain(file))
            {
                throw new SafetensorsException($"'{WeightMap}' puts tensor '{property.Name}' into '{file}'; expected the plain name of a {ShardSuffix} file in the same folder.");
            }

            if (spellings.TryGetValue(file, out string? other) && other != file)
            {
                throw new SafetensorsException($"'{WeightMap}' names '{other}' and '{file}', which only case tells apart.");
            }

            spellings[file] = file;
            files.Add(property.Name, file);
        }

        return files;
    }

    // The same on every system, so that a checkpoint is not refused on one and taken on another.
    private static bool IsPlain(string file) =>
        file.EndsWith(ShardSuffix, StringComparison.Ordinal)
        && file.Length is > 0 and <= 255
        && file[0] != '.'
        && file.All(character => !char.IsControl(character) && !"/\\:*?\"<>|".Contains(character));
}
