using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace BlockQuant.Storage;

/// <summary>
/// The JSON header of a safetensors file, checked as a whole before any tensor is handed out: names are unique, every
/// shape agrees with its byte range, and the ranges cover the data without overlap or gap.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The longest header the format's own implementation accepts.</summary>
    public const long LongestHeader = 100_000_000;

    /// <summary>The bytes before the header: its length as a little-endian 64-bit integer.</summary>
    public const int PrefixLength = sizeof(ulong);

    public const string MetadataName = "__metadata__";

    // Header, tensor, array: a deeper header is not of this format.
    private const int DeepestNesting = 3;

    private SafetensorsHeader(IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads and checks the header of an open file.</summary>
    /// <exception cref="SafetensorsException">Anything is wrong with it, or the file is too short for it.</exception>
    public static SafetensorsHeader Read(SafeFileHandle file)
    {
        long fileLength = RandomAccess.GetLength(file);
        if (fileLength < PrefixLength)
        {
            throw new SafetensorsException($"the file has {fileLength} bytes, too few for the length of a header.");
        }

        Span<byte> prefix = stackalloc byte[PrefixLength];
        ReadExactly(file, prefix, 0);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > LongestHeader)
        {
            throw new SafetensorsException($"the header claims {headerLength} bytes; the format allows {LongestHeader}.");
        }

        if ((long)headerLength > fileLength - PrefixLength)
        {
            throw new SafetensorsException($"the file is truncated: it has {fileLength} bytes, and its header alone claims {headerLength}.");
        }

        var json = new byte[headerLength];
        ReadExactly(file, json, PrefixLength);
        return Parse(json, fileLength);
    }

    /// <summary>Fills a span from a place in a file.</summary>
    /// <exception cref="SafetensorsException">The file ends before the span is full: it shrank while it was open.</exception>
    public static void ReadExactly(SafeFileHandle file, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(file, destination, offset);
            if (count == 0)
            {
                throw new SafetensorsException($"the file ends at byte {offset}, where {destination.Length} more are expected.");
            }

            destination = destination[count..];
            offset += count;
        }
    }

    /// <summary>Parses and checks a header.</summary>
    /// <param name="json">The header's bytes.</param>
    /// <param name="fileLength">The length of the whole file, which the tensors must fill exactly.</param>
    /// <exception cref="SafetensorsException">Anything is wrong with it.</exception>
    public static SafetensorsHeader Parse(ReadOnlyMemory<byte> json, long fileLength)
    {
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = DeepestNesting, AllowDuplicateProperties = false };
            using JsonDocument document = JsonDocument.Parse(json, options);
            return Parse(document.RootElement, PrefixLength + json.Length, fileLength);
        }
        catch (JsonException error)
        {
            throw new SafetensorsException($"the header is malformed: {error.Message}", error);
        }
        catch (InvalidOperationException error)
        {
            // The reader validates the text of a string only when it is asked for.
            throw new SafetensorsException("the header holds a string that is not valid Unicode.", error);
        }
    }

    private static SafetensorsHeader Parse(JsonElement root, long dataStart, long fileLength)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new SafetensorsException($"the header is a JSON {root.ValueKind}; expected an object.");
        }

        var tensors = new List<TensorInfo>();
        IReadOnlyDictionary<string, string> metadata = new Dictionary<string, string>();
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name == MetadataName)
            {
                metadata = ParseMetadata(property.Value);
            }
            else
            {
                tensors.Add(ParseTensor(property.Name, property.Value, dataStart));
            }
        }

        // An empty tensor begins where its successor does, so it comes first.
        tensors.Sort((left, right) => (left.Offset, left.ByteLength).CompareTo((right.Offset, right.ByteLength)));
        CheckCoverage(tensors, dataStart, fileLength);
        return new SafetensorsHeader(tensors, metadata);
    }

    private static Dictionary<string, string> ParseMetadata(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new SafetensorsException($"{MetadataName} is a JSON {element.ValueKind}; expected an object of strings.");
        }

        var metadata = new Dictionary<string, string>();
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.String)
            {
                throw new SafetensorsException($"{MetadataName} '{property.Name}' is a JSON {property.Value.ValueKind}; expected a string.");
            }

            metadata.Add(property.Name, property.Value.GetString()!);
        }

        return metadata;
    }

    private static TensorInfo ParseTensor(string name, JsonElement element, long dataStart)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new SafetensorsException($"tensor '{name}' is described by a JSON {element.ValueKind}; expected an object.");
        }

        JsonElement dtype = Field(name, element, "dtype", JsonValueKind.String);
        long[] shape = Integers(name, Field(name, element, "shape", JsonValueKind.Array), "shape");
        long[] offsets = Integers(name, Field(name, element, "data_offsets", JsonValueKind.Array), "data_offsets");
        if (offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > long.MaxValue - dataStart)
        {
            throw new SafetensorsException($"tensor '{name}' has data_offsets [{string.Join(", ", offsets)}]; expected [begin, end] with begin ≤ end.");
        }

        var tensor = new TensorInfo(name, dtype.GetString()!, shape, dataStart + offsets[0], offsets[1] - offsets[0]);
        if (tensor.DType != SafetensorsDType.Unknown)
        {
            CheckLength(tensor);
        }

        return tensor;
    }

    private static JsonElement Field(string tensor, JsonElement element, string name, JsonValueKind kind)
    {
        if (!element.TryGetProperty(name, out JsonElement field))
        {
            throw new SafetensorsException($"tensor '{tensor}' has no {name}.");
        }

        return field.ValueKind == kind
            ? field
            : throw new SafetensorsException($"tensor '{tensor}' has a {name} that is a JSON {field.ValueKind}; expected {kind}.");
    }

    private static long[] Integers(string tensor, JsonElement array, string field)
    {
        var integers = new long[array.GetArrayLength()];
        int index = 0;
        foreach (JsonElement element in array.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out long value) || value < 0)
            {
                throw new SafetensorsException($"tensor '{tensor}' has {element.GetRawText()} in its {field}; expected integers from 0 to {long.MaxValue}.");
            }

            integers[index++] = value;
        }

        return integers;
    }

    private static void CheckLength(TensorInfo tensor)
    {
        long expected = SafetensorsElement.SizeOf(tensor.DType);
        try
        {
            foreach (long extent in tensor.Shape)
            {
                expected = checked(expected * extent);
            }
        }
        catch (OverflowException error)
        {
            throw new SafetensorsException($"tensor {tensor} is larger than {long.MaxValue} bytes.", error);
        }

        if (expected != tensor.ByteLength)
        {
            throw new SafetensorsException($"tensor {tensor} takes {tensor.ByteLength} bytes; its type and shape need {expected}.");
        }
    }

    private static void CheckCoverage(List<TensorInfo> tensors, long dataStart, long fileLength)
    {
        long end = dataStart;
        string before = "the header";
        foreach (TensorInfo tensor in tensors)
        {
            if (tensor.Offset < end)
            {
                throw new SafetensorsException($"tensor '{tensor.Name}' begins at byte {tensor.Offset} and overlaps {before}, which ends at {end}.");
            }

            if (tensor.Offset > end)
            {
                throw new SafetensorsException($"there is a gap of {tensor.Offset - end} bytes between {before} and tensor '{tensor.Name}'.");
            }

            end += tensor.ByteLength;
            before = $"tensor '{tensor.Name}'";
        }

        if (end > fileLength)
        {
            throw new SafetensorsException($"the file is truncated: it has {fileLength} bytes, and {before} ends at {end}.");
        }

        if (end < fileLength)
        {
            throw new SafetensorsException($"the file has {fileLength - end} bytes after {before}, which belong to no tensor.");
        }
    }
}
